import { type CryptoKey, decodeProtectedHeader } from 'jose'
import { putBounded } from '../lib/bounded-map.ts'
import type { Clock } from '../lib/clock.ts'
import { sha256 } from '../lib/secret.ts'
import { type AccessTokenClaims, verifyAccessToken } from './access-token.ts'
import type { SigningKeys } from './signing-keys.ts'

/** The claims of a token of ours that has not ended, for this audience or, where none is named, for any. */
export type VerifyAccessToken = (token: string, audience?: string) => Promise<AccessTokenClaims | undefined>

/** A signature that was found good, by which key. */
type Verified = { claims: AccessTokenClaims; kid: string; key: CryptoKey }

/**
 * Verifies access tokens, the signature of each once: that is half the work of most requests that bring one. Only the
 * very text that was verified is known again, and only while its key is published; audience and end are looked at
 * every time. Whether a token was revoked is its grant's to say, never this memory's.
 */
export function createVerifyAccessToken({
  signingKeys,
  issuer,
  clock,
  capacity = 10_000,
}: {
  signingKeys: Pick<SigningKeys, 'verificationKeys'>
  issuer: string
  clock: Clock
  /** Tokens remembered at once. */
  capacity?: number
}): VerifyAccessToken {
  const known = new Map<string, Verified>()
  return async (token, audience) => {
    const keys = await signingKeys.verificationKeys()
    const now = clock()
    const tokenHash = sha256(token)
    const before = known.get(tokenHash)
    if (before && keys.get(before.kid) === before.key) {
      const { claims } = before
      const isForThem = audience === undefined || claims.audience === audience
      return isForThem && claims.expiresAt > now ? claims : undefined
    }
    const claims = await verifyAccessToken(token, {
      keys,
      issuer,
      now,
      ...(audience === undefined ? {} : { audience }),
    })
    const { kid } = claims ? decodeProtectedHeader(token) : {}
    const key = kid === undefined ? undefined : keys.get(kid)
    if (claims && kid !== undefined && key) putBounded(known, tokenHash, { claims, kid, key }, capacity)
    return claims
  }
}
