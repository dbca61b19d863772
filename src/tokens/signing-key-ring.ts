import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { PublicJwk } from '../storage/documents.ts'
import type { Retirement, SigningKey } from '../storage/signing-keys.ts'

export type RotationPace = {
  /** Seconds a new key is published before it signs, so that every verifier's copy of the JWKS has it. */
  readonly overlap: number
  /** Seconds a key stays published after another took over: the longest life of what it signed. */
  readonly tokenLifetime: number
}

/** For a key that leaked: the next one signs from this second on, and nothing that was signed so far counts. */
export const atOnce: RotationPace = { overlap: 0, tokenLifetime: 0 }

/**
 * The key that signs: the youngest whose time has come. Keys retire in the order they were made, so the youngest
 * is the one that retires last; creation times could disagree, as several machines write them. If no key's time
 * has come, because this machine's clock runs behind, the first one due signs.
 */
export function signingKeyAt(keys: readonly SigningKey[], now: number): SigningKey | undefined {
  const published = publishedKeys(keys, now)
  const active = published.filter((key) => key.activeAt <= now)
  return (
    active.toSorted(youngestFirst)[0] ??
    published.toSorted((a, b) => a.activeAt - b.activeAt || byKid(a, b))[0]
  )
}

/** The keys of the JWKS: from their creation until they retire. */
export function publishedKeys(keys: readonly SigningKey[], now: number): SigningKey[] {
  return keys.filter((key) => key.retiresAt === null || key.retiresAt > now)
}

export type Rotation = {
  /** When the successor begins to sign. */
  readonly activeAt: number
  readonly youngest: Retirement
  /** Older keys that must go sooner than planned. */
  readonly others: readonly Retirement[]
}

/**
 * What a rotation decided now changes; undefined if there is no key to put a successor after. A rotation during
 * another one is fine: the key in between may never sign. No key's end is ever moved to a later time.
 */
export function planRotation(
  keys: readonly SigningKey[],
  now: number,
  { overlap, tokenLifetime }: RotationPace,
): Rotation | undefined {
  const youngest = keys.find((key) => key.retiresAt === null)
  if (!youngest) return undefined
  const activeAt = now + overlap
  const retiresAt = activeAt + tokenLifetime
  const others = keys.filter((key) => key.retiresAt !== null && key.retiresAt > retiresAt)
  return {
    activeAt,
    youngest: { kid: youngest.kid, retiresAt },
    others: others.map(({ kid }) => ({ kid, retiresAt })),
  }
}

/**
 * From when on a new key signs that is made because this one goes; nothing where none has to be. Only the youngest key
 * has no end, so it leaves nobody behind it. Where another one signs, the new one waits as after any rotation.
 */
export function successionOf(
  keys: readonly SigningKey[],
  { kid, retiresAt }: SigningKey,
  now: number,
  { overlap }: RotationPace,
): number | undefined {
  if (retiresAt !== null) return undefined
  return signingKeyAt(keys, now)?.kid === kid ? now : now + overlap
}

export type GeneratedKey = { readonly kid: string; readonly publicJwk: PublicJwk; readonly privateJwk: JWK }

/** A new ES256 key, named by its thumbprint (RFC 7638). */
export async function generateSigningKey(): Promise<GeneratedKey> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const { kty = '', crv = '', x = '', y = '' } = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint({ kty, crv, x, y })
  return {
    kid,
    publicJwk: { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' },
    privateJwk: await exportJWK(privateKey),
  }
}

function youngestFirst(a: SigningKey, b: SigningKey): number {
  const [left, right] = [a.retiresAt ?? Number.MAX_SAFE_INTEGER, b.retiresAt ?? Number.MAX_SAFE_INTEGER]
  return right - left || b.activeAt - a.activeAt || byKid(a, b)
}

function byKid(a: SigningKey, b: SigningKey): number {
  return a.kid < b.kid ? -1 : 1
}
