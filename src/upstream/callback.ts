import { failureOfError } from './failure.ts'
import type { Provider } from './provider.ts'
import type { UpstreamFailure } from './tokens.ts'

export type CallbackCheck =
  | { outcome: 'code' }
  /** The provider sent an error instead, in our vocabulary. */
  | { outcome: 'error'; failure: UpstreamFailure }
  /** Not an answer to anything we asked; the word says why, for the log. */
  | { outcome: 'invalid'; reason: 'repeated' | 'malformed' | 'issuer_missing' | 'issuer_mismatch' }

/** Of these a second one would let two readers of the query see two different answers (RFC 6749 section 3.1). */
const single = ['iss', 'state', 'code', 'error', 'error_description', 'response', 'id_token', 'access_token']

/** Entra's codes reach 8 KB. */
const codePattern = /^[\x20-\x7E]{1,10000}$/

/**
 * Judges a callback's query by itself, before anything is looked up or consumed: what is repeated, and whether it
 * comes from the provider it claims to (RFC 9207). Members nobody knows are ignored. The state is the caller's to match.
 */
export function checkCallback(provider: Provider, query: URLSearchParams): CallbackCheck {
  if (single.some((name) => query.getAll(name).length > 1)) return { outcome: 'invalid', reason: 'repeated' }
  const policy = provider.descriptor.callback.iss
  const issuer = query.get('iss')
  if (policy !== 'ignore') {
    if (issuer === null && policy === 'required') return { outcome: 'invalid', reason: 'issuer_missing' }
    if (issuer !== null && !isIssuer(provider, issuer))
      return { outcome: 'invalid', reason: 'issuer_mismatch' }
  }
  const error = query.get('error')
  if (error !== null) {
    return { outcome: 'error', failure: failureOfError(provider, 'authorization', { error, status: 302 }) }
  }
  return codePattern.test(query.get('code') ?? '')
    ? { outcome: 'code' }
    : { outcome: 'invalid', reason: 'malformed' }
}

/** A discovered issuer may end in a slash that its administrator did not type; nothing else may differ. */
function isIssuer(provider: Provider, issuer: string): boolean {
  const { issuer: expected, discovery } = provider.descriptor.server
  if (issuer === expected) return true
  return discovery !== 'none' && issuer.replace(/\/$/, '') === expected.replace(/\/$/, '')
}
