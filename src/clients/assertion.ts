import { compactVerify, errors, importJWK } from 'jose'
import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { sha256 } from '../lib/secret.ts'
import type { ClientJwk } from '../storage/documents.ts'
import type { Store } from '../storage/store.ts'
import { type AssertionAlgorithm, assertionAlgorithms } from './key-set.ts'
import type { KeySets, KeySource } from './key-sets.ts'

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** What somebody signs assertions with. */
export type AssertionKeys = {
  readonly keys?: readonly ClientJwk[] | undefined
  readonly source?: KeySource | undefined
  /** The one algorithm it registered, if it did. */
  readonly algorithm?: string | undefined
}

/** Whether this assertion proves that whoever sent it is `id` (RFC 7523 section 3). It does so once. */
export type VerifyAssertion = (assertion: string, id: string, by: AssertionKeys) => Promise<boolean>

export type AssertionParts = {
  issuer: string
  store: { usedAssertions: Store['usedAssertions'] }
  keySets: KeySets
  clock: Clock
}

const maxLength = 8_192
/** Seconds an assertion may live, and by which clocks may differ. */
const longest = 300
const tolerance = 30

const headerSchema = z.object({
  alg: z.enum(assertionAlgorithms),
  kid: z.string().optional(),
  // Nothing that was signed for another purpose (RFC 8725 section 3.11).
  typ: z.enum(['JWT', 'jwt', 'client-authentication+jwt']).optional(),
  crit: z.undefined().optional(),
})
type Header = z.output<typeof headerSchema>

const claimsSchema = z.object({
  iss: z.string(),
  sub: z.string().min(1).max(2_048),
  aud: z.string(),
  jti: z.string().min(1).max(512),
  exp: z.number(),
  iat: z.number().optional(),
  nbf: z.number().optional(),
})
type Claims = z.output<typeof claimsSchema>

/** Whom an assertion is about, before anything of it was verified; nothing where it is no assertion. */
export function claimedSubject(assertion: string): string | undefined {
  return readAssertion(assertion)?.claims.sub
}

export function createAssertions(parts: AssertionParts): VerifyAssertion {
  const { issuer, clock, store } = parts
  const audiences = [issuer, `${issuer}/`, `${issuer}/oauth/token`, `${issuer}/oauth/token/`]
  return async (assertion, id, by) => {
    const read = readAssertion(assertion)
    if (!read || (by.algorithm !== undefined && by.algorithm !== read.header.alg)) return false
    const { claims } = read
    if (claims.iss !== id || claims.sub !== id || !audiences.includes(claims.aud)) return false
    if (!isTimely(claims, clock()) || !(await isSigned(parts, assertion, read.header, by))) return false
    return await store.usedAssertions.consume({
      assertionHash: sha256(JSON.stringify([id, claims.jti])),
      expiresAt: Math.ceil(claims.exp),
    })
  }
}

function readAssertion(assertion: string): { header: Header; claims: Claims } | undefined {
  const parts = assertion.length <= maxLength ? assertion.split('.') : []
  if (parts.length !== 3) return undefined
  const header = headerSchema.safeParse(decode(parts[0])).data
  const claims = claimsSchema.safeParse(decode(parts[1])).data
  return header && claims && { header, claims }
}

function decode(part = ''): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString())
  } catch {
    return undefined
  }
}

function isTimely({ exp, iat, nbf }: Claims, now: number): boolean {
  const madeAt = iat ?? now
  return (
    exp > now &&
    exp - madeAt <= longest &&
    exp - now <= longest + tolerance &&
    madeAt <= now + tolerance &&
    (nbf ?? now) <= now + tolerance
  )
}

async function isSigned(
  { keySets }: AssertionParts,
  assertion: string,
  header: Header,
  { keys, source }: AssertionKeys,
): Promise<boolean> {
  if (keys || !source) return await verifiesWithOne(assertion, header, keys ?? [])
  const known = await keySets.find(source, 'known')
  if (await verifiesWithOne(assertion, header, known)) return true
  const newer = await keySets.find(source, 'newer')
  return newer !== known && (await verifiesWithOne(assertion, header, newer))
}

const keyTypes: Record<AssertionAlgorithm, string> = { ES256: 'EC', RS256: 'RSA', PS256: 'RSA', EdDSA: 'OKP' }

async function verifiesWithOne(assertion: string, { alg, kid }: Header, keys: readonly ClientJwk[]) {
  const fitting = keys.filter(
    (key) =>
      key.kty === keyTypes[alg] &&
      (kid === undefined || key.kid === undefined || key.kid === kid) &&
      (key.alg === undefined || key.alg === alg || (alg === 'EdDSA' && key.alg === 'Ed25519')),
  )
  for (const key of fitting) {
    if (await verifiesWith(assertion, alg, key)) return true
  }
  return false
}

async function verifiesWith(assertion: string, alg: AssertionAlgorithm, key: ClientJwk): Promise<boolean> {
  try {
    const { alg: _, ...material } = key
    await compactVerify(assertion, await importJWK(material, alg), { algorithms: [alg] })
    return true
  } catch (error) {
    // A key may have the form of one and be none.
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException) {
      return false
    }
    throw error
  }
}
