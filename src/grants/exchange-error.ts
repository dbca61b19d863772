import type { OAuthErrorCode } from '../errors.ts'
import type { WhoMustAct } from './retrieval-error.ts'

type Row = { oauth: OAuthErrorCode; who: WhoMustAct; says: string }

/** Why a resource gets no token for another resource, in the order they are reported in; all are answered 400. */
export const exchangeErrors = {
  invalid_request: { oauth: 'invalid_request', who: 'caller', says: 'The request is not valid' },
  invalid_user_token: {
    // RFC 8693 section 2.2.2 asks for this code, and no other, where the subject token is not good.
    oauth: 'invalid_request',
    who: 'caller',
    says: 'The subject token is not a valid access token of a person for this resource',
  },
  exchange_loop: {
    oauth: 'invalid_target',
    who: 'caller',
    says: 'The target is the caller, or called on behalf of this person already',
  },
  exchange_too_deep: {
    oauth: 'invalid_target',
    who: 'caller',
    says: 'This token was exchanged as often as it may be',
  },
  target_not_allowed: {
    oauth: 'invalid_target',
    who: 'admin',
    says: 'There is no such resource that this one may call',
  },
  scope_not_allowed: {
    oauth: 'invalid_scope',
    who: 'admin',
    says: 'No scope of this resource opens one of those asked for',
  },
  scope_not_granted: {
    oauth: 'invalid_scope',
    who: 'user',
    says: 'The person has not granted a scope here that opens one of those asked for',
  },
} as const satisfies Record<string, Row>

export type ExchangeErrorCode = keyof typeof exchangeErrors

export type ExchangeRefusal = {
  outcome: 'refused'
  code: ExchangeErrorCode
  /** Scopes of the caller, any of which would do. */
  missingScopes: readonly string[]
}

export const exchangeRefusal = (
  code: ExchangeErrorCode,
  missingScopes: readonly string[] = [],
): ExchangeRefusal => ({ outcome: 'refused', code, missingScopes })
