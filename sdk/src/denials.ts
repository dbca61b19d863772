import type { ChallengeError } from './challenge.ts'

/** `http`: by the status of the response. `inband`: as the result of the call, for a person to read. */
export type Delivery = 'http' | 'inband'

export type NextAction =
  | 'authenticate'
  | 'reauthenticate'
  | 'reauthenticate_for_resource'
  | 'authorize_scopes'
  | 'step_up'
  | 'register_client'
  | 'verify_email'
  | 'accept_terms'
  | 'upgrade_plan'
  | 'wait_for_approval'
  | 'contact_administrator'
  | 'retry_later'
  | 'fix_request'
  | 'stop'

type DenialRow = {
  readonly status: number
  /**
   * What `WWW-Authenticate` says. `bare`: a challenge without an error. `none`: no challenge, because a client would
   * answer it by asking for another token, and another token would not help.
   */
  readonly challenge: ChallengeError | 'bare' | 'none'
  readonly delivery: Delivery
  readonly nextAction: NextAction
  readonly message: string
}

/** Every way to be refused. The codes are stable; the README has an entry for each. */
export const denials = {
  no_token: row(401, 'bare', 'http', 'authenticate', 'This MCP server needs an access token'),
  invalid_request: row(
    400,
    'invalid_request',
    'http',
    'fix_request',
    'The Authorization header is malformed',
  ),
  invalid_token: row(401, 'invalid_token', 'http', 'reauthenticate', 'The access token is not valid'),
  invalid_audience: row(
    401,
    'invalid_token',
    'http',
    'reauthenticate_for_resource',
    'The access token was issued for another server',
  ),
  scope_insufficient: row(
    403,
    'insufficient_scope',
    'http',
    'authorize_scopes',
    'The access token lacks a scope that this needs',
  ),
  token_revoked: row(401, 'invalid_token', 'http', 'reauthenticate', 'The access token was revoked'),
  client_registration_revoked: row(
    401,
    'invalid_token',
    'http',
    'contact_administrator',
    'The registration of this client was revoked; signing in again will not help',
  ),
  step_up_required: row(
    401,
    'insufficient_user_authentication',
    'http',
    'step_up',
    'This needs a more recent or a stronger sign-in',
  ),
  step_up_unavailable: row(
    403,
    'none',
    'inband',
    'contact_administrator',
    'This needs a fresh sign-in, which the provider cannot prove',
  ),
  policy_denied: row(403, 'none', 'inband', 'stop', 'A policy of this server does not allow this'),
  consent_required: row(
    403,
    'insufficient_scope',
    'http',
    'authorize_scopes',
    'This needs a consent that was not given',
  ),
  client_not_approved: row(
    403,
    'none',
    'inband',
    'wait_for_approval',
    'An administrator has not approved this client',
  ),
  dcr_required: row(401, 'invalid_token', 'http', 'register_client', 'The client must register first'),
  resource_disabled: row(403, 'none', 'http', 'stop', 'This MCP server is switched off'),
  membership_inactive: row(403, 'none', 'inband', 'contact_administrator', 'This account is not active'),
  email_verification_required: row(
    403,
    'none',
    'inband',
    'verify_email',
    'The e-mail address of this account is not verified',
  ),
  terms_acceptance_required: row(403, 'none', 'inband', 'accept_terms', 'The terms were not accepted yet'),
  payment_required: row(
    402,
    'none',
    'inband',
    'upgrade_plan',
    'The plan of this account does not cover this',
  ),
  rate_limited: row(429, 'none', 'inband', 'retry_later', 'Too many calls'),
  tenant_quota_exceeded: row(
    429,
    'none',
    'inband',
    'contact_administrator',
    'The quota of this organization is used up',
  ),
  key_rotation_in_progress: row(503, 'none', 'http', 'retry_later', 'The signing keys are being replaced'),
  policy_unavailable: row(
    503,
    'none',
    'http',
    'retry_later',
    'Whether this is allowed cannot be found out now',
  ),
  token_claims_too_large: row(
    500,
    'none',
    'http',
    'contact_administrator',
    'The claims of this account do not fit into a token',
  ),
} satisfies Record<string, DenialRow>

export type DenialCode = keyof typeof denials

function row(
  status: number,
  challenge: DenialRow['challenge'],
  delivery: Delivery,
  nextAction: NextAction,
  message: string,
): DenialRow {
  return { status, challenge, delivery, nextAction, message }
}

/** What is known of one refusal beyond its code; every member goes on the wire, in snake_case. */
export type DenialDetails = {
  /** Instead of the table's. */
  readonly message?: string
  /** Why exactly, as a stable word such as `token_expired`. */
  readonly reason?: string
  readonly decisionId?: string
  readonly requiredScopes?: readonly string[]
  readonly grantedScopes?: readonly string[]
  readonly acrValues?: readonly string[]
  readonly maxAge?: number
  /** In seconds. */
  readonly retryAfter?: number
  readonly resource?: string
  readonly tool?: string
  readonly failedConditions?: readonly string[]
  /** What only some codes have, such as `status_url`; named as on the wire. */
  readonly members?: Readonly<Record<string, unknown>>
}

export type Denial = DenialRow & { readonly code: DenialCode; readonly details: DenialDetails }

export function deny(code: DenialCode, details: DenialDetails = {}): Denial {
  const row: DenialRow = denials[code]
  return { code, ...row, message: details.message ?? row.message, details }
}
