import type { Clock } from '../lib/clock.ts'
import { type Claims, isClaims, parseJson } from './claims.ts'
import type { Descriptor } from './descriptor.ts'
import type { Provider } from './provider.ts'
import { boundedWait, parseRetryAfter } from './retry-after.ts'
import type { Server } from './server.ts'
import type { UpstreamFailure } from './tokens.ts'
import { failureOfException, UpstreamError } from './upstream-error.ts'

/** Asks a provider's API as the person an access token stands for. */
export type AskApi = (url: string) => Promise<Response>

export function createAskApi(
  { identity }: Descriptor,
  server: Server,
  accessToken: string,
  limits: { deadline?: number } = {},
): AskApi {
  const headers = { accept: 'application/json', ...identity.headers, authorization: `Bearer ${accessToken}` }
  return (url) => server.fetch(url, { headers, ...limits })
}

/** What the provider's identity endpoint says of an access token; only its 401 is a rejection. */
export async function probe(
  { descriptor }: Provider,
  server: Server,
  accessToken: string,
  limits: { deadline?: number } = {},
): Promise<'accepted' | 'rejected' | 'unknown'> {
  const { userinfo_endpoint: endpoint } = server.metadata
  if (endpoint === undefined) return 'unknown'
  try {
    const { status } = await createAskApi(descriptor, server, accessToken, limits)(endpoint)
    return status === 200 ? 'accepted' : status === 401 ? 'rejected' : 'unknown'
  } catch (error) {
    failureOfException(error, { kind: 'transient', code: 'malformed_answer' })
    return 'unknown'
  }
}

/** The JSON of an answer; throws `UpstreamError` where there is none. */
export async function readJson(response: Response): Promise<unknown> {
  try {
    return parseJson(await response.text())
  } catch {
    throw new UpstreamError({ kind: 'transient', code: 'malformed_answer' })
  }
}

export async function readClaims(response: Response): Promise<Claims> {
  const claims = await readJson(response)
  if (!isClaims(claims)) throw new UpstreamError({ kind: 'transient', code: 'malformed_answer' })
  return claims
}

/** Why an API did not answer. The token is fresh, so what it may not do, the client was not registered for. */
export function failureOfApi(descriptor: Descriptor, response: Response, clock: Clock): UpstreamFailure {
  const { status, headers } = response
  const code = `api_status_${status}`
  const now = clock()
  const retryAfter = parseRetryAfter(headers.get('retry-after'), now) ?? untilReset(descriptor, headers, now)
  const wait = retryAfter !== undefined && { retryAfter }
  if (status === 429 || (status === 403 && wait)) return { kind: 'limited', code, ...wait }
  if (status === 401) return { kind: 'restart', code }
  return { kind: status >= 400 && status < 500 ? 'config' : 'transient', code, ...wait }
}

/** Seconds until a used-up limit starts again, by the headers the descriptor names. */
function untilReset({ rate_limit: names }: Descriptor, headers: Headers, now: number): number | undefined {
  if (!names || headers.get(names.remaining_header)?.trim() !== '0') return undefined
  const reset = Number(headers.get(names.reset_header) ?? Number.NaN)
  return Number.isNaN(reset) ? undefined : boundedWait(reset - now)
}
