import * as oidc from 'openid-client'
import { FetchError } from '../lib/guarded-fetch.ts'
import type { Descriptor, FailureKind } from './descriptor.ts'
import type { Provider } from './provider.ts'
import type { UpstreamFailure } from './tokens.ts'

/** At which step a provider answered; the same word means different things to a sign-in and to a refresh. */
export type Step = 'authorization' | 'exchange' | 'refresh'

/** What of an error answer decides (RFC 6749 section 5.2, `error_subtype` as some add it). */
export type ErrorAnswer = {
  status: number
  error: string
  subtype?: string | undefined
  description?: string | undefined
  retryAfter?: number | undefined
}

/**
 * What errors mean at every provider, unless its descriptor says otherwise. Only words that can mean nothing but a
 * dead grant are `reauth`: a wrong guess there costs every person a sign-in, a wrong guess elsewhere costs a retry.
 */
const meanings: Readonly<Record<string, FailureKind>> = {
  invalid_grant: 'reauth',
  bad_refresh_token: 'reauth',
  login_required: 'reauth',
  interaction_required: 'reauth',
  consent_required: 'reauth',
  account_selection_required: 'reauth',
  access_denied: 'denied',
  invalid_client: 'config',
  unauthorized_client: 'config',
  invalid_request: 'config',
  invalid_scope: 'config',
  invalid_target: 'config',
  redirect_uri_mismatch: 'config',
  unsupported_grant_type: 'config',
  unsupported_response_type: 'config',
  server_error: 'transient',
  temporarily_unavailable: 'transient',
  slow_down: 'limited',
}

/** An error answer, put in our vocabulary. */
export function failureOfError(provider: Provider, step: Step, answer: ErrorAnswer): UpstreamFailure {
  const rule = provider.descriptor.errors.find((each) => matches(each, answer))
  return {
    kind: kindAt(step, rule?.means ?? kindOf(answer)),
    code: codeOf(provider.descriptor, answer),
    ...(answer.retryAfter !== undefined && { retryAfter: answer.retryAfter }),
  }
}

/** An answer that says nothing but its status. */
export function failureOfStatus(status: number, retryAfter: number | undefined): UpstreamFailure {
  const kind = status === 429 ? 'limited' : status === 401 ? 'config' : 'transient'
  return { kind, code: `status_${status}`, ...(retryAfter !== undefined && { retryAfter }) }
}

/** Seconds to wait by a `Retry-After` header, in either form (RFC 9110 section 10.2.3). */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const seconds = /^\s*-?\d+\s*$/.test(value) ? Number(value) : Math.ceil(Date.parse(value) / 1000) - now
  return Number.isNaN(seconds) ? undefined : boundedWait(seconds)
}

/** No provider makes us wait for nothing, or for ever. */
export function boundedWait(seconds: number): number {
  return Math.min(Math.max(seconds, 1), 3600)
}

/** Carries a failure through openid-client, which calls us back to speak to the provider. */
export class UpstreamError extends Error {
  override name = 'UpstreamError'
  readonly failure: UpstreamFailure

  constructor(failure: UpstreamFailure) {
    super(failure.code)
    this.failure = failure
  }
}

/**
 * What speaking to a provider threw, put in our vocabulary. `otherwise` is for what openid-client refuses in an
 * answer that arrived. What neither it nor the guarded fetch throws is a mistake of ours, and is thrown again.
 */
export function failureOfException(error: unknown, otherwise: UpstreamFailure): UpstreamFailure {
  for (const cause of causesOf(error)) {
    if (cause instanceof UpstreamError) return cause.failure
    if (cause instanceof FetchError) return failureOfFetch(cause)
    if (cause instanceof Response)
      return cause.status >= 500 || cause.status === 429
        ? failureOfStatus(cause.status, undefined)
        : otherwise
  }
  if (error instanceof oidc.ClientError) {
    // A key the provider has only just begun to use: the next look at its key set is at most a minute away.
    return error.code === 'OAUTH_KEY_SELECTION_FAILED'
      ? { kind: 'transient', code: 'unknown_signing_key' }
      : otherwise
  }
  throw error
}

function failureOfFetch({ code }: FetchError): UpstreamFailure {
  const isOurs = code === 'refused_url' || code === 'refused_address'
  return { kind: isOurs ? 'config' : 'transient', code }
}

function* causesOf(error: unknown): Generator<unknown> {
  for (let cause = error; cause !== undefined; cause = cause instanceof Error ? cause.cause : undefined)
    yield cause
}

type ErrorRule = Descriptor['errors'][number]

function matches(rule: ErrorRule, answer: ErrorAnswer): boolean {
  return (
    rule.error === answer.error &&
    (rule.status === undefined || rule.status === answer.status) &&
    (rule.subtype === undefined || rule.subtype === answer.subtype) &&
    (rule.description_contains === undefined ||
      (answer.description ?? '').toLowerCase().includes(rule.description_contains.toLowerCase()))
  )
}

function kindOf({ status, error }: ErrorAnswer): FailureKind {
  if (status === 429) return 'limited'
  if (status >= 500) return 'transient'
  if (Object.hasOwn(meanings, error)) return meanings[error] ?? 'transient'
  return status === 401 ? 'config' : 'transient'
}

/** A code or a trip that is void is begun again; there is no grant yet that could be dead, or no trip any more. */
function kindAt(step: Step, kind: FailureKind): FailureKind {
  if (step === 'refresh') return kind === 'restart' ? 'transient' : kind
  return kind === 'reauth' ? 'restart' : kind
}

/** Only words that stand in our table or in the descriptor are repeated: an answer could hold anything. */
function codeOf({ errors }: Descriptor, { error, subtype }: ErrorAnswer): string {
  const isKnown = Object.hasOwn(meanings, error) || errors.some((rule) => rule.error === error)
  if (!isKnown) return 'unknown_error'
  return errors.some((rule) => rule.error === error && rule.subtype === subtype) && subtype
    ? `${error}/${subtype}`
    : error
}
