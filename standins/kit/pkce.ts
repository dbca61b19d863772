import { createHash } from 'node:crypto'
import type { Call } from './exchange.ts'

export type ChallengeMethod = 'S256' | 'plain'
export type Challenge = { method: ChallengeMethod; value: string }

/** RFC 7636 section 4.1: 43 to 128 unreserved characters, for `plain` challenges too. */
const isVerifier = (value: string): boolean => /^[A-Za-z0-9._~-]{43,128}$/.test(value)

/** A SHA-256 in base64url is exactly 43 characters long. */
const isS256Challenge = (value: string): boolean => /^[A-Za-z0-9_-]{43}$/.test(value)

/** The challenge of an authorization request, if any; without a method it is `plain` (RFC 7636 section 4.3). */
export function readChallenge(call: Call, supported: ChallengeMethod[]): Challenge | undefined | 'malformed' {
  const value = call.query.code_challenge
  const method = call.query.code_challenge_method
  if (value === undefined) return method === undefined ? undefined : 'malformed'
  const known = supported.find((one) => one === (method ?? 'plain'))
  if (known === undefined) return 'malformed'
  const wellFormed = known === 'S256' ? isS256Challenge(value) : isVerifier(value)
  return wellFormed ? { method: known, value } : 'malformed'
}

/**
 * RFC 7636 section 4.6. A verifier without a challenge fails too: accepting it would let an attacker strip the
 * challenge from the authorization request (RFC 9700 section 2.1.1).
 */
export function verifierMatches(challenge: Challenge | undefined, verifier: string | undefined): boolean {
  if (challenge === undefined) return verifier === undefined
  if (verifier === undefined || !isVerifier(verifier)) return false
  const derived =
    challenge.method === 'plain' ? verifier : createHash('sha256').update(verifier).digest('base64url')
  return derived === challenge.value
}
