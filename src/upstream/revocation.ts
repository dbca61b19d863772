import type { Clock } from '../lib/clock.ts'
import type { GuardedRequest } from '../lib/guarded-fetch.ts'
import { isClaims, parseJson } from './claims.ts'
import { clientAuthentication } from './client.ts'
import type { Descriptor } from './descriptor.ts'
import type { Provider } from './provider.ts'
import { isFrom, type Server } from './server.ts'
import type { DoomedTokens, RevocationOutcome } from './tokens.ts'
import { failureOfException, UpstreamError } from './upstream-error.ts'
import { failureOfApi } from './userinfo.ts'

type Revocation = NonNullable<Descriptor['revocation']>

/**
 * Revokes tokens where they came from, in the way the provider's descriptor says; never at another host, or as
 * another client. That they were gone already is as good.
 */
export async function revokeTokens(
  provider: Provider,
  server: Server,
  clock: Clock,
  doomed: DoomedTokens,
): Promise<RevocationOutcome> {
  const { revocation } = provider.descriptor
  if (!revocation) return { outcome: 'impossible', reason: 'unsupported' }
  const isTheirs = provider.clientId === doomed.upstreamClientId && isFrom(server, doomed.tokenEndpoint)
  if (!isTheirs) return { outcome: 'impossible', reason: 'provider_changed' }
  try {
    const outcomes: RevocationOutcome[] = []
    for (const call of callsOf(provider, server, revocation, doomed)) {
      const response = await server.fetch(call.url, call.request)
      const outcome = await read(provider.descriptor, revocation, response, clock)
      if (outcome.outcome === 'impossible' || outcome.outcome === 'failed') return outcome
      outcomes.push(outcome)
    }
    const isNews = outcomes.some(({ outcome }) => outcome === 'revoked')
    if (outcomes.length === 0) return { outcome: 'impossible', reason: 'unsupported' }
    return { outcome: isNews ? 'revoked' : 'already_gone' }
  } catch (error) {
    const failure = failureOfException(error, { kind: 'transient', code: 'malformed_answer' })
    return { outcome: 'failed', failure }
  }
}

type RevocationCall = { url: string; request: GuardedRequest }

/** None: the provider has no endpoint for it. */
function callsOf(
  provider: Provider,
  server: Server,
  revocation: Revocation,
  doomed: DoomedTokens,
): RevocationCall[] {
  const limits = doomed.deadline === undefined ? {} : { deadline: doomed.deadline }
  if (revocation.style === 'request') return [{ ...request(provider, revocation, doomed, limits) }]
  const { revocation_endpoint: url } = server.metadata
  if (url === undefined) return []
  const { accessToken, refreshToken } = doomed
  const tokens: [hint: string, token: string][] = []
  if (refreshToken !== undefined) tokens.push(['refresh_token', refreshToken])
  // Where more ends than the token itself, the one that lives longest speaks for all.
  if (refreshToken === undefined || revocation.ends === 'token') tokens.push(['access_token', accessToken])
  return tokens.map(([hint, token]) => {
    // RFC 7009 section 2.1; authenticated as at the token endpoint.
    const body = new URLSearchParams({ token, token_type_hint: hint })
    const headers = new Headers({ accept: 'application/json' })
    const client = { client_id: provider.clientId }
    clientAuthentication(provider, server)(server.metadata, client, body, headers)
    return { url, request: { method: 'POST', headers: Object.fromEntries(headers), body, ...limits } }
  })
}

function request(
  { clientId, clientSecret }: Provider,
  revocation: Extract<Revocation, { style: 'request' }>,
  { accessToken, extent }: DoomedTokens,
  limits: { deadline?: number },
): RevocationCall {
  const { method, url, grant_url: grantUrl, authentication, format, parameter } = revocation
  const isBasic = authentication === 'client_secret_basic'
  if (isBasic && clientSecret === undefined) {
    throw new UpstreamError({ kind: 'config', code: 'client_secret_missing' })
  }
  const target = extent === 'grant' ? (grantUrl ?? url) : url
  const members = { [parameter]: accessToken }
  return {
    url: target.replaceAll('{client_id}', encodeURIComponent(clientId)),
    request: {
      method,
      headers: {
        accept: 'application/json',
        ...(isBasic && {
          authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
        }),
        ...(format === 'json' && { 'content-type': 'application/json' }),
      },
      body: format === 'json' ? JSON.stringify(members) : new URLSearchParams(members),
      ...limits,
    },
  }
}

async function read(
  descriptor: Descriptor,
  revocation: Revocation,
  response: Response,
  clock: Clock,
): Promise<RevocationOutcome> {
  const { status } = response
  if (response.ok) return { outcome: 'revoked' }
  if (revocation.style === 'request') {
    if (revocation.gone.includes(status)) return { outcome: 'already_gone' }
  } else {
    const error = await errorOf(response)
    // RFC 7009 section 2.2 wants 200 for these; not everybody does as it says.
    if (error === 'invalid_token' || error === 'invalid_grant') return { outcome: 'already_gone' }
    const isUnsupported = error === 'unsupported_token_type' || [404, 405, 501].includes(status)
    if (isUnsupported) return { outcome: 'impossible', reason: 'unsupported' }
  }
  return { outcome: 'failed', failure: failureOfApi(descriptor, response, clock) }
}

async function errorOf(response: Response): Promise<unknown> {
  try {
    const body = parseJson(await response.text())
    return isClaims(body) ? body.error : undefined
  } catch {
    return undefined
  }
}
