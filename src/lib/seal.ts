import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { keyObject } from './secret.ts'

/** Where a sealed value lives. It is the associated data: a value moved to another place does not open. */
export type Place = { readonly table: string; readonly row: string; readonly column: string }

export type MasterKey = { readonly id: string; readonly key: Uint8Array }

/**
 * What keeps a master key and lends its use: this process itself, or a service that never gives the key away. What it
 * wraps holds no dot. Both throw where the holder cannot be asked, and `unwrap` a `SealError` for what it did not wrap
 * for this associated data.
 */
export type KeyHolder = {
  readonly id: string
  wrap(dataKey: Uint8Array, associated: Uint8Array): Promise<string>
  unwrap(wrapped: string, associated: Uint8Array): Promise<Uint8Array>
  /** What everything begins with that it wraps from now on: empty, unless the key has versions. */
  current(): Promise<string>
}

/**
 * Seals values for storage and opens them again. Every value has a data key of its own, wrapped by a master
 * key; the master key's id stands in the value, so several master keys can be in use at once.
 * Asynchronous because a master key may live in another process.
 */
export type Sealer = {
  seal(plaintext: string, place: Place): Promise<string>
  /** Throws `SealError` for anything that was not sealed for exactly this place under a known key. */
  open(sealed: string, place: Place): Promise<string>
  /** The same value, its data key wrapped by the sealing key; what it seals is not touched. Throws as `open` does. */
  rewrap(sealed: string, place: Place): Promise<string>
  /** What every value begins with that is wrapped as it would be now. */
  currentPrefix(): Promise<string>
  /** The ids of the master keys at hand, the sealing one first. */
  readonly keyIds: readonly string[]
}

export class SealError extends Error {
  override name = 'SealError'
}

const version = 'v1'

/** What every value begins with that a master key wraps. */
export const sealedPrefix = (masterKeyId: string) => `${version}.${masterKeyId}.`

/** Where in a value the key id begins, counted from 1, and what it is made of: for whoever looks without reading it. */
export const keyIdAt = version.length + 2
export const keyIdCharacters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-'

/** Under which master key a value is sealed; nothing for what is no sealed value. */
export function masterKeyIdOf(sealed: string): string | undefined {
  return /^v1\.([\w-]{1,64})\./.exec(sealed)?.[1]
}

/** At least one, the first of which seals. */
export type MasterKeys = readonly [MasterKey | KeyHolder, ...(MasterKey | KeyHolder)[]]

/** AES-256-GCM with random 96-bit nonces; the format is `v1.<key id>.<wrapped data key>.<sealed value>`. */
export function createSealer(masterKeys: MasterKeys): Sealer {
  const [sealing, ...opening] = masterKeys.map(holderOf) as [KeyHolder, ...KeyHolder[]]
  const byId = new Map([sealing, ...opening].map((holder) => [holder.id, holder]))

  async function wrapped(dataKey: Uint8Array, value: string, place: Place): Promise<string> {
    const wrappedKey = await sealing.wrap(dataKey, keyData(sealing.id, place))
    return [version, sealing.id, wrappedKey, value].join('.')
  }

  async function unwrapped(sealed: string, place: Place): Promise<{ dataKey: Uint8Array; value: string }> {
    const [format, keyId, wrappedKey, value, ...rest] = sealed.split('.')
    if (format !== version || !keyId || !wrappedKey || !value || rest.length > 0) {
      throw new SealError('not a sealed value')
    }
    const holder = byId.get(keyId)
    if (!holder) throw new SealError(`sealed under a master key that is not configured: ${keyId}`)
    return { dataKey: await holder.unwrap(wrappedKey, keyData(keyId, place)), value }
  }

  return {
    keyIds: [...byId.keys()],
    async seal(plaintext, place) {
      const dataKey = randomBytes(32)
      const value = encrypt(dataKey, Buffer.from(plaintext, 'utf8'), valueData(place))
      return await wrapped(dataKey, value.toString('base64url'), place)
    },
    async open(sealed, place) {
      const { dataKey, value } = await unwrapped(sealed, place)
      return decrypt(dataKey, Buffer.from(value, 'base64url'), valueData(place)).toString('utf8')
    },
    async rewrap(sealed, place) {
      const { dataKey, value } = await unwrapped(sealed, place)
      return await wrapped(dataKey, value, place)
    },
    currentPrefix: async () => `${sealedPrefix(sealing.id)}${await sealing.current()}`,
  }
}

function holderOf(masterKey: MasterKey | KeyHolder): KeyHolder {
  if (!('key' in masterKey)) return masterKey
  const { id, key } = masterKey
  return {
    id,
    wrap: async (dataKey, associated) => wrapUnder(key, dataKey, associated),
    unwrap: async (wrapped, associated) => unwrapUnder(key, wrapped, associated),
    current: async () => '',
  }
}

/** Wraps a key under another one of this process. */
export function wrapUnder(key: Uint8Array, dataKey: Uint8Array, associated: Uint8Array): string {
  return encrypt(key, dataKey, associated).toString('base64url')
}

/** Throws `SealError` for what `wrapUnder` did not make of this key and associated data. */
export function unwrapUnder(key: Uint8Array, wrapped: string, associated: Uint8Array): Uint8Array {
  return decrypt(key, Buffer.from(wrapped, 'base64url'), associated)
}

/** Seals under a key that only the holder of a presented secret can derive; no master key can open it. */
export function sealUnder(key: Uint8Array, plaintext: string, place: Place): string {
  return encrypt(key, Buffer.from(plaintext, 'utf8'), valueData(place)).toString('base64url')
}

/** Opens what `sealUnder` sealed. Throws `SealError`. */
export function openUnder(key: Uint8Array, sealed: string, place: Place): string {
  return decrypt(key, Buffer.from(sealed, 'base64url'), valueData(place)).toString('utf8')
}

/** Of a wrapped data key: where its value is, and whose it is. */
function keyData(keyId: string, place: Place): Buffer {
  return Buffer.from(JSON.stringify([version, keyId, place.table, place.row, place.column]))
}

/** Of the value itself: no master key is part of it, so that another one can take over without it. */
function valueData(place: Place): Buffer {
  return Buffer.from(JSON.stringify([version, place.table, place.row, place.column]))
}

const cipherName = 'aes-256-gcm'

function encrypt(key: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv(cipherName, keyObject(key), nonce).setAAD(associated)
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: Uint8Array, sealed: Buffer, associated: Uint8Array): Buffer {
  if (sealed.length < 28) throw new SealError('sealed value is too short')
  const nonce = sealed.subarray(0, 12)
  const decipher = createDecipheriv(cipherName, keyObject(key), nonce, { authTagLength: 16 })
  decipher.setAAD(associated).setAuthTag(sealed.subarray(-16))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
  } catch (cause) {
    throw new SealError('sealed value does not open here', { cause })
  }
}
