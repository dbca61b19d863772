/** Why the gateway gives no upstream token; the codes are stable. */
export type UpstreamErrorCode =
  | 'invalid_resource_credential'
  | 'invalid_request'
  | 'too_many_requests'
  | 'unknown_token_session'
  | 'invalid_user_token'
  | 'not_allowed'
  | 'account_selection_required'
  | 'not_connected'
  | 'needs_reauthorization'
  | 'insufficient_upstream_scope'
  | 'provider_misconfigured'
  | 'upstream_rate_limited'
  | 'upstream_unavailable'
  | 'refresh_busy'
  | 'gateway_busy'
  | 'gateway_unavailable'
  /** The token of the call carries no ticket: it was issued for another purpose, or by another server. */
  | 'no_token_session'

export type WhoMustAct = 'user' | 'admin' | 'caller' | 'nobody'

/** What is known of one refusal beyond its code. */
export type UpstreamRefusal = {
  readonly whoMustAct: WhoMustAct
  readonly provider: string
  /** Good once, for ten minutes, and for this person alone: it may be shown anywhere. */
  readonly connectUrl?: string
  readonly missingScopes?: readonly string[]
  readonly accounts?: readonly { readonly id: string; readonly label: string }[]
  /** In seconds. */
  readonly retryAfter?: number
  /** Epoch seconds. */
  readonly since?: number
  readonly reason?: string
}

/** There is no upstream token for this call. `code` says why, `whoMustAct` what helps. */
export class UpstreamError extends Error {
  override name = 'UpstreamError'
  readonly code: UpstreamErrorCode
  readonly refusal: UpstreamRefusal

  constructor(code: UpstreamErrorCode, message: string, refusal: UpstreamRefusal) {
    super(message)
    this.code = code
    this.refusal = refusal
  }
}

const codes: ReadonlySet<string> = new Set<UpstreamErrorCode>([
  'invalid_resource_credential',
  'invalid_request',
  'too_many_requests',
  'unknown_token_session',
  'invalid_user_token',
  'not_allowed',
  'account_selection_required',
  'not_connected',
  'needs_reauthorization',
  'insufficient_upstream_scope',
  'provider_misconfigured',
  'upstream_rate_limited',
  'upstream_unavailable',
  'refresh_busy',
  'gateway_busy',
  'gateway_unavailable',
])

/** What a gateway that cannot be asked, or answers what nobody understands, comes down to. */
export const gatewayUnavailable = (provider: string): UpstreamError =>
  new UpstreamError('gateway_unavailable', 'The gateway does not answer', {
    whoMustAct: 'admin',
    provider,
    retryAfter: 5,
  })

/** A refusal as the gateway writes it; undefined where it is none. */
export function readRefusal(
  provider: string,
  body: Readonly<Record<string, unknown>> | undefined,
): UpstreamError | undefined {
  const { error_code: code, error_description: says, who_must_act: who } = body ?? {}
  if (body === undefined || typeof code !== 'string' || !codes.has(code)) return undefined
  const { connect_url, missing_scopes, accounts, retry_after, since, reason } = body
  return new UpstreamError(code as UpstreamErrorCode, typeof says === 'string' ? says : code, {
    whoMustAct: (['user', 'admin', 'caller', 'nobody'] as const).find((each) => each === who) ?? 'admin',
    provider,
    ...(typeof connect_url === 'string' && { connectUrl: connect_url }),
    ...(Array.isArray(missing_scopes) && { missingScopes: missing_scopes.map(String) }),
    ...(Array.isArray(accounts) && { accounts: accounts.filter(isAccount) }),
    ...(typeof retry_after === 'number' && { retryAfter: retry_after }),
    ...(typeof since === 'number' && { since }),
    ...(typeof reason === 'string' && { reason }),
  })
}

const isAccount = (value: unknown): value is { id: string; label: string } =>
  typeof value === 'object' &&
  value !== null &&
  'id' in value &&
  typeof value.id === 'string' &&
  'label' in value &&
  typeof value.label === 'string'
