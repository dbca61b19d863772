import type { Core } from '../kit/core.ts'
import type { Owner } from '../kit/issued.ts'
import type { AtlassianSwitches } from './state.ts'

/** All tokens descended from one sign-in. */
export type Family = Owner & { scopes: string[]; startedAt: number; dead: boolean }

type AccessToken = { value: string; family: Family; diesAt: number }

type RefreshToken = {
  value: string
  family: Family
  issuedAt: number
  usedAt: number | undefined
  /** The access token it was issued with, which dies early when it is used. */
  companion: AccessToken
}

export type Pair = { family: Family; accessToken: string; refreshToken: string | undefined }

export type GrantStore = ReturnType<typeof createGrantStore>

const ownerKey = ({ clientId, user }: Owner) => `${clientId} ${user}`

/** A JWT to look at, and about as long as a real one; nobody can verify it. */
function accessTokenValue(core: Core, user: string, diesAt: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub: user, iss: 'https://auth.atlassian.com', exp: diesAt, jti: core.ids.text(1300) }
  return `${part({ kid: core.ids.hex(16), alg: 'RS256' })}.${part(claims)}.${core.ids.text(512)}`
}

/** The token families, and the sites each grant holds: there is one grant per app and account. */
export function createGrantStore(core: Core, switches: AtlassianSwitches) {
  const access = new Map<string, AccessToken>()
  const refresh = new Map<string, RefreshToken>()
  const sites = new Map<string, string[]>()

  function issue(family: Family): Pair {
    const issuedAt = core.clock.now()
    const diesAt = issuedAt + switches.accessLifetime
    const companion = { value: accessTokenValue(core, family.user, diesAt), family, diesAt }
    access.set(companion.value, companion)
    core.issued.add('access_token', companion.value, family)
    if (!family.scopes.includes('offline_access')) {
      return { family, accessToken: companion.value, refreshToken: undefined }
    }
    const value = `eyJ${core.ids.text(420)}`
    refresh.set(value, { value, family, issuedAt, usedAt: undefined, companion })
    core.issued.add('refresh_token', value, family)
    return { family, accessToken: companion.value, refreshToken: value }
  }

  /** From the first use on, the old pair has the leeway left to live. */
  function markUsed(token: RefreshToken): void {
    const now = core.clock.now()
    token.usedAt ??= now
    token.companion.diesAt = Math.min(token.companion.diesAt, token.usedAt + switches.leeway)
  }

  return {
    start({ clientId, user }: Owner, scopes: string[]): Pair {
      return issue({ clientId, user, scopes, startedAt: core.clock.now(), dead: false })
    },
    /**
     * Using an old token again inside the leeway gives yet another pair; using it after the leeway ends the whole
     * family.
     */
    rotate(value: string, clientId: string): Pair | undefined {
      const now = core.clock.now()
      const token = refresh.get(value)
      if (!token || token.family.clientId !== clientId || token.family.dead) return undefined
      if (token.usedAt !== undefined && now >= token.usedAt + switches.leeway) {
        token.family.dead = true
        return undefined
      }
      if (now >= token.issuedAt + switches.refreshIdleLifetime) return undefined
      if (now >= token.family.startedAt + switches.refreshAbsoluteLifetime) return undefined
      markUsed(token)
      return issue(token.family)
    },
    /** The family of a live access token. */
    findByAccess(value: string | undefined): Family | undefined {
      const token = access.get(value ?? '')
      return token && !token.family.dead && token.diesAt > core.clock.now() ? token.family : undefined
    },
    familyOf: (value: string) => access.get(value)?.family ?? refresh.get(value)?.family,
    /** One token dies early, whatever it said about its expiry; false when there is no such token. */
    forget: (value: string) => access.delete(value) || refresh.delete(value),
    endFamilies(matches: (family: Family) => boolean): number {
      const families = new Set([...access.values(), ...refresh.values()].map(({ family }) => family))
      const doomed = [...families].filter((family) => !family.dead && matches(family))
      for (const family of doomed) family.dead = true
      return doomed.length
    },
    sites: (owner: Owner) => sites.get(ownerKey(owner)) ?? [],
    addSites(owner: Owner, added: string[]): void {
      sites.set(ownerKey(owner), [...new Set([...(sites.get(ownerKey(owner)) ?? []), ...added])])
    },
    removeSite(site: string): void {
      for (const [key, held] of sites) {
        sites.set(
          key,
          held.filter((one) => one !== site),
        )
      }
    },
    removeSites: (owner: Owner) => sites.delete(ownerKey(owner)),
  }
}
