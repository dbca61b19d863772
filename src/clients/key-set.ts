import { z } from 'zod'
import type { ClientJwk } from '../storage/documents.ts'

/** What assertions may be signed with: asymmetric alone, and nothing that is going out of use (RFC 8725 section 3.1). */
export const assertionAlgorithms = ['ES256', 'RS256', 'PS256', 'EdDSA'] as const
export type AssertionAlgorithm = (typeof assertionAlgorithms)[number]

const mostKeys = 10
const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const named = {
  kid: z.string().min(1).max(256).optional(),
  alg: z.string().max(16).optional(),
  use: z.string().max(16).optional(),
}

// Members that are not named here are not kept; that a private one was sent is seen before.
const ec = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: coordinate, y: coordinate, ...named })
const okp = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: coordinate, ...named })
const rsa = z.object({
  kty: z.literal('RSA'),
  // 2048 to 8192 bits.
  n: z.string().regex(/^[A-Za-z0-9_-]{342,1366}$/),
  e: z.string().regex(/^[A-Za-z0-9_-]{2,6}$/),
  ...named,
})
const usable = z.discriminatedUnion('kty', [ec, okp, rsa])

const member = z.string().optional()

/** A key set as it is kept. */
export const keySetSchema = z.strictObject({
  keys: z.array(
    z.strictObject({
      kty: z.string(),
      crv: member,
      x: member,
      y: member,
      n: member,
      e: member,
      kid: member,
      alg: member,
      use: member,
    }),
  ),
})

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const setSchema = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(100) })

/**
 * The public keys of a JWK set (RFC 7517) that an assertion may be verified with; nothing where there is none, or where
 * somebody published a private one. Keys for other purposes stand beside them and are left out.
 */
export function readKeySet(value: unknown): { keys: ClientJwk[] } | undefined {
  const set = setSchema.safeParse(value).data
  if (!set || set.keys.some((key) => privateMembers.some((member) => Object.hasOwn(key, member)))) {
    return undefined
  }
  const keys = set.keys.flatMap((key): ClientJwk[] => {
    const { data } = usable.safeParse(key)
    return data && (data.use ?? 'sig') === 'sig' ? [JSON.parse(JSON.stringify(data))] : []
  })
  return keys.length === 0 ? undefined : { keys: keys.slice(0, mostKeys) }
}
