import type { Core } from '../kit/core.ts'
import type { Owner } from '../kit/issued.ts'
import { isSignInScope } from './scopes.ts'
import type { GoogleSwitches } from './state.ts'

type Token = Owner & { value: string; scopes: string[]; expiresAt: number }
export type AccessToken = Token
export type RefreshToken = Token & { usedAt: number }

export type GrantStore = ReturnType<typeof createGrantStore>

const testingLifetime = 604_800

const ownerKey = ({ clientId, user }: Owner) => `${clientId} ${user}`

/** Consents and the tokens that came of them; whatever is dead is forgotten. */
export function createGrantStore(core: Core, switches: GoogleSwitches) {
  const consents = new Map<string, string[]>()
  const access = new Map<string, AccessToken>()
  const refresh = new Map<string, RefreshToken>()

  return {
    consentedScopes: (owner: Owner) => consents.get(ownerKey(owner)),
    rememberConsent(owner: Owner, scopes: string[]): void {
      const earlier = consents.get(ownerKey(owner)) ?? []
      consents.set(ownerKey(owner), [...new Set([...scopes, ...earlier])])
    },
    issueAccess({ clientId, user }: Owner, scopes: string[]): AccessToken {
      const value = `ya29.a0${core.ids.text(180)}`
      const expiresAt = core.clock.now() + switches.accessLifetime
      const token = { value, clientId, user, scopes, expiresAt }
      access.set(value, token)
      core.issued.add('access_token', value, token)
      return token
    },
    /** One more than an account may have at a client silently kills the oldest. */
    issueRefresh({ clientId, user }: Owner, scopes: string[]): RefreshToken {
      const usedAt = core.clock.now()
      const shortLived = switches.testing && !scopes.every(isSignInScope)
      const expiresAt = shortLived ? usedAt + testingLifetime : Number.POSITIVE_INFINITY
      const token = { value: `1//0${core.ids.text(96)}`, clientId, user, scopes, expiresAt, usedAt }
      refresh.set(token.value, token)
      core.issued.add('refresh_token', token.value, token)
      const siblings = [...refresh.values()].filter((one) => ownerKey(one) === ownerKey(token))
      for (const oldest of siblings.slice(0, -switches.liveRefreshTokens)) refresh.delete(oldest.value)
      return token
    },
    findAccess(value: string | undefined): AccessToken | undefined {
      const token = access.get(value ?? '')
      return token && token.expiresAt > core.clock.now() ? token : undefined
    },
    /** The live refresh token, now used. */
    useRefresh(value: string | undefined, clientId: string): RefreshToken | undefined {
      const now = core.clock.now()
      const token = refresh.get(value ?? '')
      if (!token || token.clientId !== clientId || token.expiresAt <= now) return undefined
      if (token.usedAt + switches.refreshIdleLifetime <= now) return undefined
      token.usedAt = now
      return token
    },
    find: (value: string) => access.get(value) ?? refresh.get(value),
    forget(token: Token): void {
      access.delete(token.value)
      refresh.delete(token.value)
    },
    /** Everything of one account at a client: tokens, and the remembered consent. */
    revoke(owner: Owner): void {
      const ofOwner = (token: Token) => ownerKey(token) === ownerKey(owner)
      for (const token of [...access.values()].filter(ofOwner)) access.delete(token.value)
      for (const token of [...refresh.values()].filter(ofOwner)) refresh.delete(token.value)
      consents.delete(ownerKey(owner))
    },
  }
}
