import type { OAuthErrorCode } from '../errors.ts'

export type WhoMustAct = 'user' | 'admin' | 'caller' | 'nobody'

type Face = {
  /** HTTP status of the REST face. */
  rest: number
  /** `error` and HTTP status at the token endpoint. */
  oauth: readonly [OAuthErrorCode, number]
  who: WhoMustAct
  says: string
}

/**
 * Why a resource gets no upstream token, for both faces of retrieval. A dead upstream grant is never a 401:
 * clients would sign in again in a loop.
 */
export const retrievalErrors = {
  invalid_resource_credential: {
    rest: 401,
    oauth: ['invalid_client', 401],
    who: 'caller',
    says: 'The resource credential is not valid',
  },
  invalid_request: {
    rest: 400,
    oauth: ['invalid_request', 400],
    who: 'caller',
    says: 'The request is not valid',
  },
  too_many_requests: {
    rest: 429,
    oauth: ['temporarily_unavailable', 429],
    who: 'caller',
    says: 'There were too many requests',
  },
  unknown_token_session: {
    rest: 404,
    oauth: ['invalid_grant', 400],
    who: 'caller',
    says: 'There is no such token session for this resource',
  },
  invalid_user_token: {
    rest: 401,
    oauth: ['invalid_grant', 400],
    who: 'caller',
    says: 'A valid access token of the person, for this resource and session, is needed',
  },
  not_allowed: {
    rest: 403,
    oauth: ['access_denied', 400],
    who: 'admin',
    says: 'This provider, or one of these scopes, is not allowed to this resource',
  },
  account_selection_required: {
    rest: 409,
    oauth: ['interaction_required', 400],
    who: 'caller',
    says: 'The session holds several accounts at this provider; name one',
  },
  not_connected: {
    rest: 404,
    oauth: ['interaction_required', 400],
    who: 'user',
    says: 'The person has not connected this provider',
  },
  needs_reauthorization: {
    rest: 424,
    oauth: ['interaction_required', 400],
    who: 'user',
    says: 'The person must sign in at the provider again',
  },
  insufficient_upstream_scope: {
    rest: 403,
    oauth: ['insufficient_scope', 400],
    who: 'user',
    says: 'The person has not granted these rights at the provider',
  },
  provider_misconfigured: {
    rest: 502,
    oauth: ['server_error', 400],
    who: 'admin',
    says: 'The provider and this gateway are not set up for one another; an administrator has to look at it',
  },
  upstream_rate_limited: {
    rest: 429,
    oauth: ['temporarily_unavailable', 429],
    who: 'nobody',
    says: 'The provider limits how often it may be asked',
  },
  upstream_unavailable: {
    rest: 503,
    oauth: ['temporarily_unavailable', 503],
    who: 'nobody',
    says: 'The provider cannot be reached right now',
  },
  refresh_busy: {
    rest: 503,
    oauth: ['temporarily_unavailable', 503],
    who: 'nobody',
    says: 'Another process is refreshing this token',
  },
  gateway_busy: {
    rest: 503,
    oauth: ['temporarily_unavailable', 503],
    who: 'nobody',
    says: 'The gateway has too much to do right now',
  },
  gateway_unavailable: {
    rest: 503,
    oauth: ['temporarily_unavailable', 503],
    who: 'admin',
    says: 'The gateway cannot use its store, its vault or its audit log right now',
  },
} as const satisfies Record<string, Face>

export type RetrievalErrorCode = keyof typeof retrievalErrors

/** What an error may say beyond its code; wire names. */
export type RetrievalErrorFacts = {
  connect_url?: string
  missing_scopes?: string[]
  accounts?: { id: string; label: string }[]
  retry_after?: number
  since?: number
  reason?: string
}

/**
 * Why nothing is connected to a session that another resource brought about, and no link can mend it: the person never
 * let this client use the asking resource.
 */
export const neverGiven = 'no_consent'

export type RetrievalRefusal = { outcome: 'refused'; code: RetrievalErrorCode; facts: RetrievalErrorFacts }

export const refusal = (code: RetrievalErrorCode, facts: RetrievalErrorFacts = {}): RetrievalRefusal => ({
  outcome: 'refused',
  code,
  facts,
})
