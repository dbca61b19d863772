import * as oidc from 'openid-client'
import { FetchError } from '../lib/fetch-error.ts'
import { failureOfStatus } from './failure.ts'
import type { RotatedToken, UpstreamFailure } from './tokens.ts'

/** Carries a failure out of the depths, through openid-client where that called us; it never leaves this folder. */
export class UpstreamError extends Error {
  override name = 'UpstreamError'
  readonly failure: UpstreamFailure
  readonly rotated: RotatedToken | undefined

  constructor(failure: UpstreamFailure, rotated?: RotatedToken) {
    super(failure.code)
    this.failure = failure
    this.rotated = rotated
  }
}

/** The refresh token that came with what cannot be used. */
export function rotatedIn(error: unknown): RotatedToken | undefined {
  for (const cause of causesOf(error)) {
    if (cause instanceof UpstreamError) return cause.rotated
  }
  return undefined
}

/**
 * What speaking to a provider threw, put in our vocabulary. `otherwise` is for what openid-client refuses in an
 * answer that arrived. What neither it nor the guarded fetch throws is a mistake of ours, and is thrown again.
 */
export function failureOfException(error: unknown, otherwise: UpstreamFailure): UpstreamFailure {
  for (const cause of causesOf(error)) {
    if (cause instanceof UpstreamError) return cause.failure
    if (cause instanceof FetchError) return failureOfFetch(cause)
    if (cause instanceof Response && (cause.status >= 500 || cause.status === 429)) {
      return failureOfStatus(cause.status, undefined)
    }
  }
  // openid-client throws its own errors, and type errors with a code for what it cannot decode.
  const isRefusal = error instanceof oidc.ClientError || (error instanceof TypeError && 'code' in error)
  if (!isRefusal) throw error
  // A key the provider has only just begun to use: the next look at its key set is at most a minute away.
  if (error.code === 'OAUTH_KEY_SELECTION_FAILED') return { kind: 'transient', code: 'unknown_signing_key' }
  return otherwise
}

function failureOfFetch({ code }: FetchError): UpstreamFailure {
  const isOurs = code === 'refused_url' || code === 'refused_address'
  return { kind: isOurs ? 'config' : 'transient', code }
}

function* causesOf(error: unknown): Generator<unknown> {
  for (let cause = error; cause !== undefined; cause = cause instanceof Error ? cause.cause : undefined) {
    yield cause
  }
}
