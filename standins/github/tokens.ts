import type { Core } from '../kit/core.ts'
import type { GithubClient, GithubSwitches } from './state.ts'

export type Token = {
  access: string
  refresh: string | undefined
  clientId: string
  userId: number
  scopes: string[]
  issuedAt: number
  usedAt: number
  expiresAt: number | undefined
  refreshExpiresAt: number | undefined
}

export type TokenStore = ReturnType<typeof createTokenStore>

const yearOfSilence = 31_536_000

const scopeSet = (token: Pick<Token, 'clientId' | 'userId' | 'scopes'>) =>
  `${token.clientId} ${token.userId} ${[...token.scopes].sort().join(' ')}`

/** Only live tokens are kept: whatever was revoked, rotated or pushed out is gone, and nobody can tell which. */
export function createTokenStore(core: Core, switches: () => GithubSwitches) {
  const live = new Set<Token>()
  const granted = new Map<string, string[]>()
  const signIns = new Map<string, number[]>()

  function find(matches: (token: Token) => boolean): Token | undefined {
    return [...live].find(matches)
  }

  function issue(client: GithubClient, userId: number, scopes: string[], expiring: boolean): Token {
    const now = core.clock.now()
    const token: Token = {
      access: `${client.kind === 'github-app' ? 'ghu_' : 'gho_'}${core.ids.text(36)}`,
      refresh: expiring ? `ghr_${core.ids.text(76)}` : undefined,
      clientId: client.clientId,
      userId,
      scopes,
      issuedAt: now,
      usedAt: now,
      expiresAt: expiring ? now + switches().accessLifetime : undefined,
      refreshExpiresAt: expiring ? now + switches().refreshLifetime : undefined,
    }
    live.add(token)
    const owner = { user: String(userId), clientId: client.clientId, at: now }
    core.issued.add({ kind: 'access_token', value: token.access, ...owner })
    if (token.refresh) core.issued.add({ kind: 'refresh_token', value: token.refresh, ...owner })
    return token
  }

  return {
    /** The live token behind a bearer, now used; undefined for anything unknown, expired or revoked. */
    use(access: string | undefined): Token | undefined {
      const now = core.clock.now()
      const token = find((candidate) => candidate.access === access)
      if (!token || (token.expiresAt ?? now + 1) <= now) return undefined
      if (token.usedAt + yearOfSilence <= now) return undefined
      token.usedAt = now
      return token
    },
    findByAccess: (access: string | undefined) => find((token) => token.access === access),
    findByRefresh: (refresh: string | undefined, clientId: string) =>
      find(
        (token) =>
          refresh !== undefined &&
          token.refresh === refresh &&
          token.clientId === clientId &&
          (token.refreshExpiresAt ?? 0) > core.clock.now(),
      ),
    /** A token from a sign-in; `undefined` when there were too many within the hour. */
    signIn(client: GithubClient, userId: number, scopes: string[], expiring: boolean): Token | undefined {
      const now = core.clock.now()
      const key = scopeSet({ clientId: client.clientId, userId, scopes })
      const recent = (signIns.get(key) ?? []).filter((at) => at > now - 3600)
      if (recent.length >= switches().tokensPerHour) return undefined
      signIns.set(key, [...recent, now])
      const token = issue(client, userId, scopes, expiring)
      const siblings = [...live].filter((other) => scopeSet(other) === key)
      for (const oldest of siblings.slice(0, -switches().liveTokens)) live.delete(oldest)
      return token
    },
    /** The old pair dies at once, without leeway. */
    rotate(old: Token, client: GithubClient): Token {
      live.delete(old)
      return issue(client, old.userId, old.scopes, true)
    },
    reset(old: Token, client: GithubClient): Token {
      live.delete(old)
      return issue(client, old.userId, old.scopes, old.refresh !== undefined)
    },
    revoke: (token: Token) => live.delete(token),
    /** All tokens of a user at an app; the user's remembered consent goes too. */
    revokeGrant(clientId: string, userId: number): number {
      const doomed = [...live].filter((token) => token.clientId === clientId && token.userId === userId)
      for (const token of doomed) live.delete(token)
      granted.delete(`${clientId} ${userId}`)
      return doomed.length
    },
    grantedScopes: (clientId: string, userId: number) => granted.get(`${clientId} ${userId}`),
    rememberGrant(clientId: string, userId: number, scopes: string[]): void {
      const key = `${clientId} ${userId}`
      granted.set(key, [...new Set([...(granted.get(key) ?? []), ...scopes])])
    },
  }
}
