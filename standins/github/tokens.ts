import type { Core } from '../kit/core.ts'
import type { Owner } from '../kit/issued.ts'
import type { GithubClient, GithubSwitches } from './state.ts'

export type Token = Owner & {
  access: string
  refresh: string | undefined
  scopes: string[]
  usedAt: number
  expiresAt: number
  refreshExpiresAt: number
}

export type TokenStore = ReturnType<typeof createTokenStore>

const hour = 3600
const yearOfSilence = 31_536_000

const grantKey = ({ clientId, user }: Owner) => `${clientId} ${user}`
const scopeSetKey = (owner: Owner, scopes: string[]) => `${grantKey(owner)} ${[...scopes].sort().join(' ')}`

/** Only live tokens are kept: whatever was revoked, rotated or pushed out is gone, and nobody can tell which. */
export function createTokenStore(core: Core, switches: GithubSwitches) {
  const live = new Set<Token>()
  const granted = new Map<string, string[]>()
  const signIns = new Map<string, number[]>()

  const find = (matches: (token: Token) => boolean) => [...live].find(matches)

  function issue(
    client: GithubClient,
    user: string,
    scopes: string[],
    renewal: 'expiring' | 'lasting',
  ): Token {
    const now = core.clock.now()
    const expiring = renewal === 'expiring'
    const token: Token = {
      access: `${client.kind === 'github-app' ? 'ghu_' : 'gho_'}${core.ids.text(36)}`,
      refresh: expiring ? `ghr_${core.ids.text(76)}` : undefined,
      clientId: client.clientId,
      user,
      scopes,
      usedAt: now,
      expiresAt: expiring ? now + switches.accessLifetime : Number.POSITIVE_INFINITY,
      refreshExpiresAt: now + switches.refreshLifetime,
    }
    live.add(token)
    core.issued.add('access_token', token.access, token)
    if (token.refresh) core.issued.add('refresh_token', token.refresh, token)
    return token
  }

  return {
    /** The token behind a bearer, now used; undefined for anything unknown, expired, revoked or long forgotten. */
    use(access: string | undefined): Token | undefined {
      const now = core.clock.now()
      const token = find((one) => one.access === access)
      if (!token || token.expiresAt <= now || token.usedAt + yearOfSilence <= now) return undefined
      token.usedAt = now
      return token
    },
    findByAccess: (access: string | undefined) => find((token) => token.access === access),
    findByRefresh(refresh: string, clientId: string): Token | undefined {
      const token = find((one) => one.refresh === refresh && one.clientId === clientId)
      return token && token.refreshExpiresAt > core.clock.now() ? token : undefined
    },
    /** A token from a sign-in; undefined when there were too many within the hour. */
    signIn(
      client: GithubClient,
      user: string,
      scopes: string[],
      renewal: 'expiring' | 'lasting',
    ): Token | undefined {
      const now = core.clock.now()
      const key = scopeSetKey({ clientId: client.clientId, user }, scopes)
      const recent = (signIns.get(key) ?? []).filter((at) => at > now - hour)
      if (recent.length >= switches.tokensPerHour) return undefined
      signIns.set(key, [...recent, now])
      const token = issue(client, user, scopes, renewal)
      const siblings = [...live].filter((other) => scopeSetKey(other, other.scopes) === key)
      for (const oldest of siblings.slice(0, -switches.liveTokens)) live.delete(oldest)
      return token
    },
    /** A new token in the old one's place; the old pair dies at once, without leeway. */
    replace(old: Token, client: GithubClient): Token {
      live.delete(old)
      return issue(client, old.user, old.scopes, old.refresh === undefined ? 'lasting' : 'expiring')
    },
    revoke(token: Token): void {
      live.delete(token)
    },
    /** All tokens of a user at an app; the user's remembered consent goes too. */
    revokeGrant(owner: Owner): number {
      const doomed = [...live].filter((token) => grantKey(token) === grantKey(owner))
      for (const token of doomed) live.delete(token)
      granted.delete(grantKey(owner))
      return doomed.length
    },
    grantedScopes: (owner: Owner) => granted.get(grantKey(owner)),
    rememberGrant(owner: Owner, scopes: string[]): void {
      const earlier = granted.get(grantKey(owner)) ?? []
      granted.set(grantKey(owner), [...new Set([...earlier, ...scopes])])
    },
  }
}
