import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import type { ConnectedServer } from './authorization-server.ts'
import { KeysUnavailable } from './keys.ts'
import type { Settings } from './settings.ts'

export type Claims = JWTPayload

/** Why a token is not valid. */
export type TokenFault =
  | 'malformed'
  | 'wrong_type'
  | 'untrusted_issuer'
  | 'unsupported_algorithm'
  | 'unknown_key'
  | 'bad_signature'
  | 'token_expired'
  | 'not_yet_valid'
  | 'missing_claim'
  | 'sender_constrained'
  | 'inactive'

export type ValidToken = { readonly outcome: 'valid'; readonly claims: Claims; readonly issuer: string }

export type Validated =
  | ValidToken
  | { readonly outcome: 'invalid'; readonly reason: TokenFault }
  | { readonly outcome: 'revoked' }
  | { readonly outcome: 'unavailable'; readonly reason: string }

/** Checks a JWT as RFC 9068 section 4 says, all but its audience. */
export async function validateJwt(
  token: string,
  { algorithms, clockTolerance, outside }: Settings,
  servers: readonly ConnectedServer[],
): Promise<Validated> {
  const unverified = decode(token)
  if (!unverified) return invalid('malformed')
  const server = servers.find(({ issuer }) => issuer === unverified.issuer)
  if (!server) return invalid('untrusted_issuer')
  if (!isAccessToken(unverified, server.tokenTypes)) return invalid('wrong_type')
  const keys = await server.keys()
  if (keys.outcome === 'unavailable') return keys
  const now = outside.clock()
  try {
    const { payload } = await jwtVerify(token, keys.value, {
      algorithms: [...algorithms],
      clockTolerance,
      currentDate: new Date(now * 1000),
      issuer: server.issuer,
      requiredClaims: ['exp'],
    })
    if ((payload.iat ?? now) > now + clockTolerance) return invalid('not_yet_valid')
    return acceptClaims(payload, server.issuer)
  } catch (error) {
    return faultOf(error)
  }
}

/** What holds for the claims of every token, signed or told by an introspection. */
export function acceptClaims(claims: Claims, issuer: string): Validated {
  if (typeof claims.sub !== 'string' || claims.sub === '') return invalid('missing_claim')
  // Bound to a key of its client (RFC 7800): whoever sends it as a mere bearer token need not be that client.
  if (claims.cnf !== undefined) return invalid('sender_constrained')
  return { outcome: 'valid', claims, issuer }
}

type Unverified = { issuer: unknown; type: string; claims: Claims }

function decode(token: string): Unverified | undefined {
  try {
    const claims = decodeJwt(token)
    const { typ = '' } = decodeProtectedHeader(token)
    return {
      issuer: claims.iss,
      type: String(typ)
        .toLowerCase()
        .replace(/^application\//, ''),
      claims,
    }
  } catch {
    return undefined
  }
}

/** An ID token tells a client who signed in; it opens nothing (RFC 9068 section 5). */
function isAccessToken({ type, claims }: Unverified, types: readonly string[]): boolean {
  if (!types.some((each) => each.toLowerCase() === type)) return false
  const isForClients = 'nonce' in claims || 'at_hash' in claims || 'c_hash' in claims
  return type === 'at+jwt' || !isForClients
}

export const invalid = (reason: TokenFault) => ({ outcome: 'invalid', reason }) as const

function faultOf(error: unknown): Validated {
  if (error instanceof KeysUnavailable) return { outcome: 'unavailable', reason: 'keys_unreachable' }
  if (error instanceof errors.JWTExpired) return invalid('token_expired')
  if (error instanceof errors.JWTClaimValidationFailed) {
    return invalid(error.claim === 'nbf' ? 'not_yet_valid' : 'missing_claim')
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return invalid('bad_signature')
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return invalid('unknown_key')
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return invalid('malformed')
  // What is left is about the algorithm, or a published key that is not fit for it, such as a short one.
  return invalid('unsupported_algorithm')
}
