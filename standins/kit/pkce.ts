import { createHash } from 'node:crypto'

export type Challenge = { method: 'S256' | 'plain'; value: string }

/** RFC 7636 section 4.2: 43 to 128 unreserved characters. */
export const isVerifier = (value: string): boolean => /^[A-Za-z0-9._~-]{43,128}$/.test(value)

/** A SHA-256 in base64url is exactly 43 characters long. */
export const isS256Challenge = (value: string): boolean => /^[A-Za-z0-9_-]{43}$/.test(value)

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
