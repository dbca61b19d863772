import { errors, type JWSHeaderParameters, jwtVerify } from 'jose'
import { z } from 'zod'
import { formatScope, parseScope } from './scope.ts'
import type { Signer, VerificationKeys } from './signing-keys.ts'

/** Who acts on the subject's behalf, and on whose behalf that one was called (RFC 8693 section 4.1). */
export type Actor = { readonly sub: string; readonly act?: Actor }

/** What an access token says (RFC 9068 section 2.2). */
export type AccessTokenClaims = {
  readonly issuer: string
  /** The canonical URI of the one resource it is for, or the issuer. */
  readonly audience: string
  readonly subject: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly jti: string
  readonly tsid?: string
  readonly authTime: number
  readonly acr?: string
  readonly act?: Actor
  readonly issuedAt: number
  readonly expiresAt: number
}

export type Minting = Omit<AccessTokenClaims, 'issuedAt' | 'expiresAt'> & {
  readonly key: Signer
  readonly now: number
  readonly lifetime: number
}

export type Verification = {
  readonly keys: VerificationKeys
  readonly issuer: string
  /** Absent: whatever the audience, the caller looks at it. */
  readonly audience?: string
  readonly now: number
}

const algorithm = 'ES256'
const type = 'at+jwt'
const maxLength = 16_384
const shape = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/
const headerMembers = new Set(['alg', 'typ', 'kid'])

const actorSchema = z.object({
  sub: z.string().min(1),
  get act() {
    return actorSchema.exactOptional()
  },
})

const claimsSchema = z.object({
  iss: z.string().min(1),
  aud: z.string().min(1),
  sub: z.string().min(1),
  client_id: z.string().min(1),
  scope: z.string().default(''),
  jti: z.string().min(1),
  tsid: z.string().min(1).optional(),
  auth_time: z.int(),
  acr: z.string().min(1).optional(),
  act: actorSchema.optional(),
  iat: z.int(),
  exp: z.int(),
})

/** Signs an access token (RFC 9068, ES256). Members that are absent or empty are left out. */
export function mintAccessToken({ key, now, lifetime, ...claims }: Minting): string {
  const header = { alg: algorithm, typ: type, kid: key.kid }
  const payload = {
    iss: claims.issuer,
    aud: claims.audience,
    sub: claims.subject,
    client_id: claims.clientId,
    ...(claims.scopes.length > 0 ? { scope: formatScope(claims.scopes) } : {}),
    jti: claims.jti,
    ...(claims.tsid === undefined ? {} : { tsid: claims.tsid }),
    auth_time: claims.authTime,
    ...(claims.acr === undefined ? {} : { acr: claims.acr }),
    ...(claims.act === undefined ? {} : { act: claims.act }),
    iat: now,
    exp: now + lifetime,
  }
  const text = `${encoded(header)}.${encoded(payload)}`
  return `${text}.${key.sign(text)}`
}

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/**
 * The claims of a token that this gateway signed and that has not ended; undefined for everything else, whatever
 * it is. One token has several spellings that verify (ECDSA has two signatures for each), so never key anything
 * by the token's text: key it by `jti`.
 */
export async function verifyAccessToken(
  token: string,
  { keys, issuer, audience, now }: Verification,
): Promise<AccessTokenClaims | undefined> {
  if (token.length > maxLength || !shape.test(token) || !endsCanonically(token)) return undefined
  try {
    const { payload } = await jwtVerify(token, (header) => knownKey(header, keys), {
      algorithms: [algorithm],
      typ: type,
      issuer,
      ...(audience === undefined ? {} : { audience }),
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'aud', 'client_id'],
      currentDate: new Date(now * 1000),
    })
    return readClaims(payload)
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

/** A base64url decoder ignores leftover bits, so that sixteen last characters would spell the same signature. */
function endsCanonically(token: string): boolean {
  const signature = token.slice(token.lastIndexOf('.') + 1)
  return Buffer.from(signature, 'base64url').toString('base64url') === signature
}

/**
 * Our tokens carry exactly these members; one with `jwk`, `jku`, `x5u`, `x5c`, `crit` or anything else is not
 * ours (RFC 8725 section 3.10).
 */
function knownKey(header: JWSHeaderParameters, keys: VerificationKeys) {
  const key = typeof header.kid === 'string' ? keys.get(header.kid) : undefined
  if (!key || header.typ !== type || Object.keys(header).some((member) => !headerMembers.has(member))) {
    throw new errors.JWSInvalid('not a header of ours')
  }
  return key
}

function readClaims(payload: unknown): AccessTokenClaims | undefined {
  const claims = claimsSchema.safeParse(payload).data
  const scopes = claims && parseScope(claims.scope)
  if (!claims || !scopes) return undefined
  return {
    issuer: claims.iss,
    audience: claims.aud,
    subject: claims.sub,
    clientId: claims.client_id,
    scopes,
    jti: claims.jti,
    ...(claims.tsid === undefined ? {} : { tsid: claims.tsid }),
    authTime: claims.auth_time,
    ...(claims.acr === undefined ? {} : { acr: claims.acr }),
    ...(claims.act === undefined ? {} : { act: claims.act }),
    issuedAt: claims.iat,
    expiresAt: claims.exp,
  }
}
