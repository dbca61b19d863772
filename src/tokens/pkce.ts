import { equalSecrets, sha256 } from '../lib/secret.ts'

const challengeShape = /^[A-Za-z0-9_-]{43}$/
const verifierShape = /^[A-Za-z0-9\-._~]{43,128}$/

/**
 * Whether it can be an S256 challenge: base64url of 32 bytes. RFC 7636 section 4.2 allows 128 characters for the
 * sake of `plain`, which is not served; no verifier would ever fit such a challenge.
 */
export function isCodeChallenge(text: string): boolean {
  return challengeShape.test(text)
}

/** RFC 7636 section 4.1. */
export function isCodeVerifier(text: string): boolean {
  return verifierShape.test(text)
}

/** RFC 7636 section 4.6, S256. A challenge that is empty or damaged is met by no verifier. */
export function verifies(verifier: string, challenge: string): boolean {
  return isCodeVerifier(verifier) && isCodeChallenge(challenge) && equalSecrets(sha256(verifier), challenge)
}
