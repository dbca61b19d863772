import { createHash } from 'node:crypto'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { createGuardedFetch } from '../../src/lib/guarded-fetch.ts'
import type { AuthorizationTrip } from '../../src/upstream/authorization-url.ts'
import type { Provider } from '../../src/upstream/provider.ts'
import { resolveDescriptor } from '../../src/upstream/resolve-descriptor.ts'
import type { TokenOutcome, UpstreamTokens } from '../../src/upstream/tokens.ts'
import { createUpstream, type Upstream } from '../../src/upstream/upstream.ts'

export const redirectUri = 'https://gateway.test/oauth/callback/provider'
export const client = { clientId: 'coatcheck', clientSecret: 's3cret+/= of the client' }

const codeVerifier = 'a-verifier-that-is-long-enough-to-be-one-0123456789'
const nonce = 'the-nonce-of-this-trip'

export type TestClock = Clock & { advance(seconds: number): void }

export function testClock(): TestClock {
  const offset = { seconds: 0 }
  return Object.assign(() => systemClock() + offset.seconds, {
    advance(seconds: number) {
      offset.seconds += seconds
    },
  })
}

/** A provider as the registry would hand it out. */
export function testProvider(
  descriptor: string | Record<string, unknown>,
  variables: Record<string, string> = {},
  differences: Partial<Provider> = {},
): Provider {
  const resolved = resolveDescriptor(descriptor, variables, { allowLoopback: true })
  return {
    id: 'provider',
    name: resolved.name,
    descriptor: resolved,
    ...client,
    enabled: true,
    version: 1,
    admit: 'anyone',
    changedAt: 0,
    signInHash: '',
    scopes: undefined,
    ...differences,
  }
}

/** The layer under test, allowed to speak to stand-ins. */
export function testUpstream(
  clock: Clock = systemClock,
  { discoveryDeadline = 5, ...limits }: { deadline?: number; discoveryDeadline?: number } = {},
): Upstream {
  const fetch = createGuardedFetch({ allowLoopback: true, ...limits })
  return createUpstream({ fetch, clock, allowLoopback: true, discoveryDeadline })
}

export function newTrip(differences: Partial<AuthorizationTrip> = {}): AuthorizationTrip {
  return {
    redirectUri,
    state: 'the-state-of-this-trip',
    codeChallenge: createHash('sha256').update(codeVerifier).digest('base64url'),
    nonce,
    scopes: [],
    refreshToken: 'wanted',
    ...differences,
  }
}

export async function urlOf(
  upstream: Upstream,
  provider: Provider,
  trip: Partial<AuthorizationTrip> = {},
): Promise<URL> {
  const outcome = await upstream.authorizationUrl(provider, newTrip(trip))
  if (outcome.outcome !== 'url') throw new Error(`no URL but ${outcome.failure.code}`)
  return outcome.url
}

/** Sends a browser to the provider, whose stand-in approves by itself, and catches it on its way back. */
export async function visit(
  upstream: Upstream,
  provider: Provider,
  trip: Partial<AuthorizationTrip> = {},
): Promise<URLSearchParams> {
  const cookies = new Map<string, string>()
  let url = await urlOf(upstream, provider, trip)
  for (let hop = 0; hop < 10; hop += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const set of response.headers.getSetCookie()) {
      const [pair = ''] = set.split(';')
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    const location = response.headers.get('location')
    if (!location) throw new Error(`no redirect but ${response.status}: ${await response.text()}`)
    url = new URL(location, url)
    if (url.href.startsWith(redirectUri)) return url.searchParams
  }
  throw new Error('too many redirects')
}

export async function exchange(
  upstream: Upstream,
  provider: Provider,
  query: URLSearchParams,
  trip: Partial<AuthorizationTrip> = {},
): Promise<TokenOutcome> {
  const { state, scopes, maxAge } = newTrip(trip)
  return await upstream.exchangeCode(provider, {
    query,
    redirectUri,
    state,
    codeVerifier,
    nonce,
    scopes,
    ...(maxAge !== undefined && { maxAge }),
  })
}

/** The whole trip: there, back, and the code redeemed. */
export async function connect(
  upstream: Upstream,
  provider: Provider,
  trip: Partial<AuthorizationTrip> = {},
): Promise<TokenOutcome> {
  return await exchange(upstream, provider, await visit(upstream, provider, trip), trip)
}

export function tokensOf(outcome: TokenOutcome): UpstreamTokens {
  if (outcome.outcome !== 'tokens') throw new Error(`no tokens but ${outcome.failure.code}`)
  return outcome.tokens
}

/** Refreshes as the connection that these tokens make would be. */
export async function refresh(
  upstream: Upstream,
  provider: Provider,
  tokens: UpstreamTokens,
  upstreamSubject = 'somebody',
): Promise<TokenOutcome> {
  const { refreshToken = '', scopes, tokenEndpoint } = tokens
  return await upstream.refreshTokens(provider, { refreshToken, scopes, tokenEndpoint, upstreamSubject })
}
