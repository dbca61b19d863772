import type * as oidc from 'openid-client'
import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { failureOfError, failureOfStatus, type Step } from './failure.ts'
import { excess, grantedScopes, type Provider } from './provider.ts'
import { parseRetryAfter } from './retry-after.ts'
import type { Server } from './server.ts'
import type { RotatedToken, UpstreamTokens } from './tokens.ts'
import { UpstreamError } from './upstream-error.ts'

/**
 * What providers really answer at their token endpoints, brought to what RFC 6749 section 5 says they should. All of
 * it is done for every provider alike: errors under status 200, form-encoded bodies, nulls, numbers in quotes, lists
 * of scopes, missing token types. What comes out of here is clean and bounded, or an `UpstreamError`.
 */

export type TokenFetch = (
  url: string,
  headers: Record<string, string>,
  body: URLSearchParams,
) => Promise<Response>

/**
 * Sends a token request, by the server's own fetch unless said otherwise, and hands openid-client the answer it
 * should have been.
 */
export function createTokenFetch(
  provider: Provider,
  server: Server,
  step: Step,
  clock: Clock,
  send: Server['fetch'] = server.fetch,
): TokenFetch {
  return async (url, headers, parameters) => {
    const isJson = provider.descriptor.token.request_format === 'json'
    const response = await send(url, {
      method: 'POST',
      headers: { ...headers, ...(isJson && { 'content-type': 'application/json' }) },
      body: isJson ? JSON.stringify(Object.fromEntries(parameters)) : parameters,
    })
    const { id_token: idToken, ...answer } = await readTokenAnswer(provider, step, response, clock())
    // An ID token is verified where it says who signs in; nowhere else may it make an answer fail.
    const isSignIn = provider.descriptor.kind === 'oidc' && step === 'exchange'
    return Response.json({ ...answer, [isSignIn ? 'id_token' : 'unverified_id_token']: idToken })
  }
}

/** RFC 6749 appendix A.12, and a size that every token we know of stays under. */
const tokenString = z.string().regex(/^[\x20-\x7E]{1,16384}$/)

/** Ten years: longer than anything here lives, and far from where numbers break. */
const longestLifetime = 10 * 366 * 86_400

/** Seconds, in quotes or not. What is no positive number tells nothing: some providers say 0 for "does not end". */
const lifetime = z
  .unknown()
  .optional()
  .transform((value) => {
    const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof seconds !== 'number' || !(seconds > 0)) return undefined
    return Math.max(1, Math.floor(Math.min(seconds, longestLifetime)))
  })

const tokenAnswer = z.object({
  access_token: tokenString,
  token_type: z.string().toLowerCase().default('bearer'),
  refresh_token: tokenString.optional(),
  expires_in: lifetime,
  refresh_token_expires_in: lifetime,
  refresh_expires_in: lifetime,
  scope: z.union([z.string(), z.array(z.string()).transform((scopes) => scopes.join(' '))]).optional(),
  id_token: z.string().optional(),
})

type TokenAnswer = z.output<typeof tokenAnswer>

async function readTokenAnswer(
  provider: Provider,
  step: Step,
  response: Response,
  now: number,
): Promise<TokenAnswer> {
  const retryAfter = parseRetryAfter(response.headers.get('retry-after'), now)
  const body = parseBody(response.headers.get('content-type') ?? '', await response.text())
  const { error, error_subtype: subtype, error_description: description } = body ?? {}
  const status = response.status
  if (typeof error === 'string' && error !== '' && (status < 300 || status >= 400)) {
    throw new UpstreamError(
      failureOfError(provider, step, {
        status,
        error,
        subtype: typeof subtype === 'string' ? subtype : undefined,
        description: typeof description === 'string' ? description : undefined,
        retryAfter,
      }),
    )
  }
  if (status < 200 || status >= 300) throw new UpstreamError(failureOfStatus(status, retryAfter))
  const answer = tokenAnswer.safeParse(body)
  const rotated = step === 'refresh' ? rotatedTokenOf(body) : undefined
  if (!answer.success) throw new UpstreamError({ kind: 'transient', code: 'malformed_answer' }, rotated)
  if (answer.data.token_type !== 'bearer') {
    throw new UpstreamError({ kind: 'config', code: 'unsupported_token_type' }, rotated)
  }
  return answer.data
}

const rotatedAnswer = tokenAnswer
  .pick({ refresh_token_expires_in: true, refresh_expires_in: true })
  .extend({ refresh_token: tokenString })

function rotatedTokenOf(body: unknown): RotatedToken | undefined {
  const { data } = rotatedAnswer.safeParse(body)
  const refreshExpiresIn = data?.refresh_token_expires_in ?? data?.refresh_expires_in
  return (
    data && {
      refreshToken: data.refresh_token,
      ...(refreshExpiresIn !== undefined && { refreshExpiresIn }),
    }
  )
}

/** The members of a body that say something, in either of the forms providers use. */
function parseBody(contentType: string, text: string): Record<string, unknown> | undefined {
  if (/^application\/x-www-form-urlencoded\b/i.test(contentType)) {
    return meaningful(Object.fromEntries(new URLSearchParams(text)))
  }
  try {
    return meaningful(JSON.parse(text))
  } catch {
    return undefined
  }
}

function meaningful(body: unknown): Record<string, unknown> | undefined {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null && value !== ''))
}

/** An answer that openid-client accepted, in our words. */
export function toTokens(
  provider: Provider,
  server: Server,
  answer: oidc.TokenEndpointResponse,
  requested: readonly string[],
): UpstreamTokens {
  const { access_token, refresh_token, expires_in, scope } = answer
  const refreshExpiresIn = answer.refresh_token_expires_in ?? answer.refresh_expires_in
  const scopes = grantedScopes(provider, scope, requested)
  const unasked = excess(provider, scopes, requested)
  return {
    accessToken: access_token,
    tokenType: answer.token_type,
    ...(refresh_token !== undefined && { refreshToken: refresh_token }),
    ...(expires_in !== undefined && { expiresIn: expires_in }),
    ...(typeof refreshExpiresIn === 'number' && { refreshExpiresIn }),
    scopes,
    ...(unasked.length > 0 && { unasked }),
    tokenEndpoint: server.metadata.token_endpoint,
  }
}
