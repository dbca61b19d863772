import { boundedFetch, type Fetch, parseObject } from './bounded-fetch.ts'
import { type Clock, systemClock } from './clock.ts'
import { credentialHeader } from './credential.ts'
import { digest } from './digest.ts'
import { isSecureUrl } from './secure-url.ts'
import { ConfigurationError, type Credential, mistakesOfCredential } from './settings.ts'
import { singleFlight } from './single-flight.ts'
import { gatewayUnavailable, readRefusal, UpstreamError } from './upstream-error.ts'

export type UpstreamOptions = {
  /** The Coatcheck gateway, as it names itself in its tokens. */
  readonly issuer: string
  /** Where it is reached from here, if not by that name. */
  readonly address?: string
  /** What this MCP server authenticates with there. */
  readonly credential: Credential
  /** Seconds for which a token is kept at most; 0 asks every time. It is never kept beyond its own end. */
  readonly cacheLifetime?: number
  /** Of each request to the gateway, in seconds. */
  readonly deadline?: number
  readonly fetch?: Fetch
  readonly clock?: Clock
}

export type UpstreamWish = {
  /** Of the provider; absent: whatever the person gave. */
  readonly scopes?: readonly string[]
  /** Seconds the token should have left. */
  readonly minTtl?: number
  /** One of the accounts an `account_selection_required` named. */
  readonly account?: string
}

export type UpstreamToken = {
  readonly accessToken: string
  readonly tokenType: string
  readonly scopes: readonly string[]
  /** Epoch seconds; absent where the provider told none. */
  readonly expiresAt?: number
  readonly provider: string
  readonly account: { readonly id: string; readonly label: string }
  /** The one of the account's sites to work with, at a provider that has sites; `id` is what its API calls it. */
  readonly site?: UpstreamSite
}

export type UpstreamSite = { readonly id: string; readonly name: string; readonly url?: string }

/** Uses a token at the provider. */
export type UpstreamFetcher = (token: UpstreamToken) => Promise<Response>

export type Upstream = {
  /** A fresh token of the person who calls. Throws an UpstreamError that says who must act. */
  upstreamToken(authInfo: UpstreamOwner, provider: string, wish?: UpstreamWish): Promise<UpstreamToken>
  /**
   * Calls a provider with such a token. Where it answers 401 the gateway is told, and the call made once more with what it
   * gives then; a 401 to that is told too, so that a dead grant is noticed, and returned.
   */
  withUpstream(
    authInfo: UpstreamOwner,
    provider: string,
    fetcher: UpstreamFetcher,
    wish?: UpstreamWish,
  ): Promise<Response>
}

/** Whose token it is: what `protect` puts where the official SDK looks for it, with the types of either. */
export type UpstreamOwner =
  | {
      readonly token: string
      readonly expiresAt?: number | undefined
      readonly extra?: Readonly<Record<string, unknown>> | undefined
    }
  | undefined

type Kept = { readonly token: UpstreamToken; readonly until: number }
type Owner = NonNullable<UpstreamOwner>
type Asked = { tsid: string; provider: string; wish: UpstreamWish; owner: Owner; rejected?: string }

const keptTokens = 1000
const answerBytes = 64 * 1024

/** Upstream tokens from a Coatcheck gateway, by the ticket in the access token of the call. */
export function upstreamOf(options: UpstreamOptions): Upstream {
  const {
    issuer,
    address = issuer,
    credential,
    cacheLifetime = 30,
    deadline = 30,
    clock = systemClock,
  } = options
  const mistakes = [
    ...(isSecureUrl(address) ? [] : [`issuer: ${address} is neither https nor on this machine`]),
    ...mistakesOfCredential(credential),
  ]
  if (mistakes.length > 0) throw new ConfigurationError(mistakes)
  const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  const kept = new Map<string, Kept>()
  const flight = singleFlight<UpstreamToken>()

  async function retrieve(asked: Asked): Promise<UpstreamToken> {
    const url = retrievalUrl(address, asked)
    const { token, expiresAt } = asked.owner
    const headers = {
      accept: 'application/json',
      authorization: await credentialHeader(credential, issuer, clock()),
      // Proves that the person is here; one that ended proves nothing and would be refused.
      ...((expiresAt ?? Number.POSITIVE_INFINITY) > clock() && { 'coatcheck-user-token': token }),
    }
    const fetched = await boundedFetch(fetch, url, { headers }, { deadline, bytes: answerBytes })
    if (fetched.outcome === 'failed') throw gatewayUnavailable(asked.provider)
    const body = parseObject(fetched.text)
    const released = fetched.status === 200 ? readToken(asked.provider, body, clock()) : undefined
    if (!released) throw readRefusal(asked.provider, body) ?? gatewayUnavailable(asked.provider)
    return released
  }

  async function fresh(key: string, asked: Asked): Promise<UpstreamToken> {
    return await flight(`${key} ${asked.rejected ?? ''}`, async () => {
      const token = await retrieve(asked)
      keep(kept, key, {
        token,
        until: Math.min(clock() + cacheLifetime, token.expiresAt ?? Number.POSITIVE_INFINITY),
      })
      return token
    })
  }

  const upstreamToken: Upstream['upstreamToken'] = async (owner, provider, wish = {}) => {
    const asked = askedBy(issuer, owner, provider, wish)
    const key = keyOf(asked)
    const known = kept.get(key)
    if (known && isGood(known, wish, clock())) return known.token
    return await fresh(key, asked)
  }

  const withUpstream: Upstream['withUpstream'] = async (owner, provider, fetcher, wish = {}) => {
    const token = await upstreamToken(owner, provider, wish)
    const response = await fetcher(token)
    if (response.status !== 401) return response
    await response.body?.cancel()
    const asked = askedBy(issuer, owner, provider, wish)
    const key = keyOf(asked)
    kept.delete(key)
    const second = await fresh(key, { ...asked, rejected: await digest(token.accessToken) })
    const again = await fetcher(second)
    if (again.status !== 401) return again
    kept.delete(key)
    await fresh(key, { ...asked, rejected: await digest(second.accessToken) })
    return again
  }

  return { upstreamToken, withUpstream }
}

/** A ticket counts only from the gateway itself: whoever else a server trusts could name anybody's. */
function askedBy(issuer: string, owner: UpstreamOwner, provider: string, wish: UpstreamWish): Asked {
  const { tsid, issuer: from = issuer } = owner?.extra ?? {}
  if (owner && typeof tsid === 'string' && from === issuer) return { tsid, provider, wish, owner }
  const says = 'The access token of this call carries no ticket for upstream tokens'
  throw new UpstreamError('no_token_session', says, { whoMustAct: 'caller', provider })
}

function retrievalUrl(address: string, { tsid, provider, wish, rejected }: Asked): string {
  const { scopes = [], minTtl, account } = wish
  const query = new URLSearchParams({
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    ...(minTtl !== undefined && { min_ttl: String(Math.ceil(minTtl)) }),
    ...(account !== undefined && { account }),
    ...(rejected !== undefined && { rejected }),
  })
  const path = `/v1/token-sessions/${encodeURIComponent(tsid)}/tokens/${encodeURIComponent(provider)}`
  return `${address}${path}${query.size > 0 ? `?${query}` : ''}`
}

/** The access token too: who may have a session's tokens may change with it. */
const keyOf = ({ tsid, provider, wish, owner }: Asked): string =>
  JSON.stringify([tsid, provider, [...(wish.scopes ?? [])].sort(), wish.account ?? '', owner.token])

const isGood = ({ token, until }: Kept, { minTtl = 0 }: UpstreamWish, now: number): boolean =>
  now < until && (token.expiresAt ?? Number.POSITIVE_INFINITY) - now >= minTtl

function keep(kept: Map<string, Kept>, key: string, entry: Kept): void {
  kept.delete(key)
  const [oldest] = kept.keys()
  if (kept.size >= keptTokens && oldest !== undefined) kept.delete(oldest)
  kept.set(key, entry)
}

function readToken(
  provider: string,
  body: Readonly<Record<string, unknown>> | undefined,
  now: number,
): UpstreamToken | undefined {
  const { access_token, token_type, expires_in, scope, account, site } = body ?? {}
  if (typeof access_token !== 'string' || access_token === '') return undefined
  const { id = '', label = '' } = (account ?? {}) as { id?: string; label?: string }
  return {
    accessToken: access_token,
    tokenType: typeof token_type === 'string' ? token_type : 'Bearer',
    scopes: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [],
    ...(typeof expires_in === 'number' && { expiresAt: now + expires_in }),
    provider,
    account: { id, label },
    ...readSite(site),
  }
}

function readSite(site: unknown): Pick<UpstreamToken, 'site'> {
  const { id, name, url } = (site ?? {}) as { id?: unknown; name?: unknown; url?: unknown }
  if (typeof id !== 'string' || id === '') return {}
  const label = typeof name === 'string' ? name : id
  return { site: { id, name: label, ...(typeof url === 'string' && { url }) } }
}
