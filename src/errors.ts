/** The error codes of the RFCs this gateway answers with, and the few of its own vocabulary. */
export type OAuthErrorCode =
  // RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'invalid_scope'
  | 'access_denied'
  | 'server_error'
  | 'temporarily_unavailable'
  | 'invalid_token'
  | 'insufficient_scope'
  // RFC 7591, RFC 8707, OpenID Connect Core section 3.1.2.6
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'
  | 'invalid_target'
  | 'login_required'
  | 'consent_required'
  | 'interaction_required'
  | 'request_not_supported'
  | 'request_uri_not_supported'

export type OAuthErrorOptions = {
  /** HTTP status; 400 unless said. */
  status?: number
  headers?: Record<string, string>
  /** Members of the answer beyond `error` and `error_description`. */
  members?: Record<string, unknown>
  /** For our log; never on the wire. */
  cause?: unknown
}

/**
 * An answer we meant to give at an OAuth endpoint (RFC 6749 section 5.2). `description` is for the client's
 * developer and goes on the wire; it must hold nothing a caller sent unescaped and nothing secret.
 */
export class OAuthError extends Error {
  override name = 'OAuthError'
  readonly code: OAuthErrorCode
  readonly description: string
  readonly status: number
  readonly headers: Record<string, string>
  readonly members: Record<string, unknown>

  constructor(code: OAuthErrorCode, description: string, options: OAuthErrorOptions = {}) {
    super(`${code}: ${description}`, { cause: options.cause })
    this.code = code
    this.description = wireText(description)
    this.status = options.status ?? 400
    this.headers = options.headers ?? {}
    this.members = options.members ?? {}
  }
}

/**
 * Where an authorization error may be sent. `ask`: a client that registered itself and that this
 * person never approved; they must follow by their own click (OAuth 2.1 section 7.12.2).
 */
export type ErrorRedirect = { uri: string; state?: string; follow: 'at once' | 'ask' }

/**
 * An error of the authorization endpoint. Without a `redirect` it must be rendered and never redirected
 * (RFC 6749 section 4.1.2.1).
 */
export class AuthorizationError extends OAuthError {
  override name = 'AuthorizationError'
  readonly redirect: ErrorRedirect | undefined

  constructor(
    code: OAuthErrorCode,
    description: string,
    options: OAuthErrorOptions & { redirect?: ErrorRedirect } = {},
  ) {
    super(code, description, options)
    this.redirect = options.redirect
  }
}

/** What the admin API refuses with, as programs read it; with its status, and what it means. The codes are stable. */
export const problemCodes = {
  invalid_request: { status: 400, means: 'The request cannot be read, or is not as described here' },
  unauthenticated: { status: 401, means: 'No right credential of an administrator came along' },
  forbidden: { status: 403, means: 'The administrator may only read' },
  not_found: { status: 404, means: 'There is no such thing' },
  conflict: { status: 409, means: 'It would be in the way of what there is' },
  read_only: { status: 409, means: 'It comes from the configuration file, and is changed there' },
  overtaken: { status: 409, means: 'Somebody else changed it at the same moment' },
  too_many_failures: {
    status: 429,
    means: 'Too many wrong credentials came from this address, or with this name',
  },
  internal_error: { status: 500, means: 'Something failed here' },
  busy: { status: 503, means: 'There is too much to do right now, or too many passwords to verify' },
  gateway_unavailable: { status: 503, means: 'The store does not answer, or the master keys do not fit it' },
} as const

export type ProblemCode = keyof typeof problemCodes

/** An answer of the admin API (RFC 9457): `code` is stable, `detail` is for a person. */
export class Problem extends Error {
  override name = 'Problem'
  readonly status: number
  readonly code: ProblemCode
  readonly title: string
  readonly detail: string | undefined
  readonly errors: readonly ProblemField[] | undefined

  constructor(
    status: number,
    code: ProblemCode,
    title: string,
    options: { detail?: string; errors?: readonly ProblemField[]; cause?: unknown } = {},
  ) {
    super(`${code}: ${title}`, { cause: options.cause })
    this.status = status
    this.code = code
    this.title = title
    this.detail = options.detail
    this.errors = options.errors
  }
}

/** One field of a refused document: `pointer` as in RFC 6901. */
export type ProblemField = { pointer: string; message: string }

/** The characters RFC 6749 section 5.2 allows in `error_description`. */
function wireText(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, "'")
}
