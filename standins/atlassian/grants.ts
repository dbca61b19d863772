import type { Core } from '../kit/core.ts'
import type { AtlassianClient, AtlassianSwitches } from './state.ts'

/** All tokens descended from one sign-in. */
export type Family = {
  clientId: string
  accountId: string
  scopes: string[]
  startedAt: number
  dead: boolean
}

export type AccessToken = { value: string; family: Family; expiresAt: number }
type RefreshToken = {
  value: string
  family: Family
  issuedAt: number
  usedAt: number | undefined
  companion: AccessToken
}
export type Pair = { access: AccessToken; refresh: RefreshToken | undefined }

export type GrantStore = ReturnType<typeof createGrantStore>

/** A JWT to look at, and about as long as a real one; nobody can verify it. */
function accessTokenValue(core: Core, accountId: string, expiresAt: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    sub: accountId,
    iss: 'https://auth.atlassian.com',
    exp: expiresAt,
    aud: core.ids.text(1300),
  }
  return `${part({ kid: core.ids.hex(16), alg: 'RS256' })}.${part(claims)}.${core.ids.text(512)}`
}

/** The grants, one per app and account, and the token families under them. */
export function createGrantStore(core: Core, switches: () => AtlassianSwitches) {
  const access = new Map<string, AccessToken>()
  const refresh = new Map<string, RefreshToken>()
  const grantedSites = new Map<string, string[]>()
  const key = (clientId: string, accountId: string) => `${clientId} ${accountId}`

  function issue(family: Family): Pair {
    const now = core.clock.now()
    const expiresAt = now + switches().accessLifetime
    const owner = { user: family.accountId, clientId: family.clientId, at: now }
    const companion = { value: accessTokenValue(core, family.accountId, expiresAt), family, expiresAt }
    access.set(companion.value, companion)
    core.issued.add({ kind: 'access_token', value: companion.value, ...owner })
    if (!family.scopes.includes('offline_access')) return { access: companion, refresh: undefined }

    const value = `eyJ${core.ids.text(420)}`
    const token: RefreshToken = { value, family, issuedAt: now, usedAt: undefined, companion }
    refresh.set(value, token)
    core.issued.add({ kind: 'refresh_token', value, ...owner })
    return { access: companion, refresh: token }
  }

  function families(matches: (family: Family) => boolean): Family[] {
    const all = new Set([...access.values()].map((token) => token.family))
    return [...all].filter((family) => !family.dead && matches(family))
  }

  return {
    start(client: AtlassianClient, accountId: string, scopes: string[]): Pair {
      const now = core.clock.now()
      return issue({ clientId: client.clientId, accountId, scopes, startedAt: now, dead: false })
    },
    /**
     * Rotates. The old pair lives on for the leeway, and using the old token again inside it gives yet another pair; using
     * it after the leeway ends the whole family.
     */
    rotate(value: string | undefined, clientId: string): Pair | undefined {
      const now = core.clock.now()
      const { leeway, refreshIdleLifetime, refreshAbsoluteLifetime } = switches()
      const token = refresh.get(value ?? '')
      if (!token || token.family.clientId !== clientId || token.family.dead) return undefined
      if (token.usedAt !== undefined && now >= token.usedAt + leeway) {
        token.family.dead = true
        return undefined
      }
      const idle = now >= token.issuedAt + refreshIdleLifetime
      if (idle || now >= token.family.startedAt + refreshAbsoluteLifetime) return undefined
      if (token.usedAt === undefined) {
        token.usedAt = now
        token.companion.expiresAt = Math.min(token.companion.expiresAt, now + leeway)
      }
      return issue(token.family)
    },
    findAccess(value: string | undefined): AccessToken | undefined {
      const token = access.get(value ?? '')
      return token && !token.family.dead && token.expiresAt > core.clock.now() ? token : undefined
    },
    familyOf: (value: string) => access.get(value)?.family ?? refresh.get(value)?.family,
    /** One access token dies early, whatever it said about its expiry. */
    expireAccess(value: string): void {
      access.delete(value)
    },
    endFamilies(matches: (family: Family) => boolean): number {
      const doomed = families(matches)
      for (const family of doomed) family.dead = true
      return doomed.length
    },
    sites: (clientId: string, accountId: string) => grantedSites.get(key(clientId, accountId)) ?? [],
    addSites(clientId: string, accountId: string, sites: string[]): void {
      const earlier = grantedSites.get(key(clientId, accountId)) ?? []
      grantedSites.set(key(clientId, accountId), [...new Set([...earlier, ...sites])])
    },
    removeSite(site: string): void {
      for (const [grant, sites] of grantedSites) {
        grantedSites.set(
          grant,
          sites.filter((one) => one !== site),
        )
      }
    },
    forget: (clientId: string, accountId: string) => grantedSites.delete(key(clientId, accountId)),
  }
}
