import type { Core } from '../kit/core.ts'
import { isSignInScope } from './scopes.ts'
import type { GoogleClient, GoogleSwitches } from './state.ts'

export type AccessToken = {
  value: string
  sub: string
  clientId: string
  scopes: string[]
  expiresAt: number
}
export type RefreshToken = {
  value: string
  sub: string
  clientId: string
  scopes: string[]
  usedAt: number
  /** Set in "Testing" status only. */
  expiresAt: number | undefined
}

export type GrantStore = ReturnType<typeof createGrantStore>

export const projectOf = (client: GoogleClient): string => client.project ?? client.clientId

const testingLifetime = 604_800

/** Consents and the tokens that came of them; whatever is dead is forgotten. */
export function createGrantStore(core: Core, switches: () => GoogleSwitches) {
  const consents = new Map<string, Set<string>>()
  const access = new Map<string, AccessToken>()
  const refresh = new Map<string, RefreshToken>()
  const key = (clientId: string, sub: string) => `${clientId} ${sub}`

  function dropWhere(matches: (token: { clientId: string; sub: string }) => boolean): void {
    for (const token of [...access.values()].filter(matches)) access.delete(token.value)
    for (const token of [...refresh.values()].filter(matches)) refresh.delete(token.value)
  }

  return {
    consentedScopes: (clientId: string, sub: string) => consents.get(key(clientId, sub)),
    rememberConsent(clientId: string, sub: string, scopes: string[]): void {
      const known = consents.get(key(clientId, sub)) ?? []
      consents.set(key(clientId, sub), new Set([...known, ...scopes]))
    },
    issueAccess(client: GoogleClient, sub: string, scopes: string[]): AccessToken {
      const now = core.clock.now()
      const token: AccessToken = {
        value: `ya29.a0${core.ids.text(180)}`,
        sub,
        clientId: client.clientId,
        scopes,
        expiresAt: now + switches().accessLifetime,
      }
      access.set(token.value, token)
      core.issued.add({
        kind: 'access_token',
        value: token.value,
        user: sub,
        clientId: client.clientId,
        at: now,
      })
      return token
    },
    issueRefresh(client: GoogleClient, sub: string, scopes: string[]): RefreshToken {
      const now = core.clock.now()
      const shortLived = switches().testing && !scopes.every(isSignInScope)
      const token: RefreshToken = {
        value: `1//0${core.ids.text(96)}`,
        sub,
        clientId: client.clientId,
        scopes,
        usedAt: now,
        expiresAt: shortLived ? now + testingLifetime : undefined,
      }
      refresh.set(token.value, token)
      core.issued.add({
        kind: 'refresh_token',
        value: token.value,
        user: sub,
        clientId: client.clientId,
        at: now,
      })
      const siblings = [...refresh.values()].filter(
        (one) => one.sub === sub && one.clientId === client.clientId,
      )
      for (const oldest of siblings.slice(0, -switches().liveRefreshTokens)) refresh.delete(oldest.value)
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
      if (!token || token.clientId !== clientId) return undefined
      const idle = now >= token.usedAt + switches().refreshIdleLifetime
      if (idle || (token.expiresAt !== undefined && now >= token.expiresAt)) return undefined
      token.usedAt = now
      return token
    },
    find: (value: string) => access.get(value) ?? refresh.get(value),
    revokeToken(value: string): void {
      access.delete(value)
      refresh.delete(value)
    },
    /** Everything of one account at these clients: tokens, and the remembered consent. */
    revoke(clientIds: string[], sub: string): void {
      dropWhere((token) => token.sub === sub && clientIds.includes(token.clientId))
      for (const clientId of clientIds) consents.delete(key(clientId, sub))
    },
  }
}
