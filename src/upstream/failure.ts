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
