import {
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'

/**
 * A new secret of 256 random bits, base64url, behind a prefix that tells what it is (`cc_code_`, `cc_rt_`, ...),
 * so that one kind is recognisable in a leak scan and can never pass for another.
 */
export function newSecret(prefix: string): string {
  return prefix + randomBytes(32).toString('base64url')
}

/** A new identifier of 128 random bits, base64url, behind a prefix. Not a secret. */
export function newId(prefix: string): string {
  return prefix + randomBytes(16).toString('base64url')
}

/** SHA-256, base64url: how secrets of 256 random bits are stored, and how `rejected` names a token. */
export function sha256(value: string | Uint8Array): string {
  return hash('sha256', value, 'base64url')
}

/** HMAC-SHA-256 under a key, base64url. */
export function keyedDigest(key: Uint8Array, value: string): string {
  return createHmac('sha256', keyObject(key)).update(value).digest('base64url')
}

const keyObjects = new WeakMap<Uint8Array, KeyObject>()

/** A key as Node's digests and ciphers want it: to find out that bytes are none costs them more than their work. */
export function keyObject(key: Uint8Array): KeyObject {
  const known = keyObjects.get(key)
  if (known) return known
  const made = createSecretKey(key)
  keyObjects.set(key, made)
  return made
}

/** 32 bytes of key for one purpose (RFC 5869); two labels never give the same key. */
export function deriveKey(secret: string | Uint8Array, label: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), label, 32))
}

/** Compares in time that does not depend on where the two differ. */
export function equalSecrets(left: string, right: string): boolean {
  return timingSafeEqual(hash('sha256', left, 'buffer'), hash('sha256', right, 'buffer'))
}
