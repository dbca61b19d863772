import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** Where a sealed value lives. It is the associated data: a value moved to another place does not open. */
export type Place = { readonly table: string; readonly row: string; readonly column: string }

export type MasterKey = { readonly id: string; readonly key: Uint8Array }

/**
 * Seals values for storage and opens them again. Every value has a data key of its own, wrapped by a master
 * key; the master key's id stands in the value, so several master keys can be in use at once.
 * Asynchronous because a master key may live in another process.
 */
export type Sealer = {
  seal(plaintext: string, place: Place): Promise<string>
  /** Throws `SealError` for anything that was not sealed for exactly this place under a known key. */
  open(sealed: string, place: Place): Promise<string>
  /** The ids of the master keys at hand, the sealing one first. */
  readonly keyIds: readonly string[]
}

export class SealError extends Error {
  override name = 'SealError'
}

const version = 'v1'

/** AES-256-GCM with random 96-bit nonces; the format is `v1.<key id>.<wrapped data key>.<sealed value>`. */
export function createSealer(masterKeys: readonly [MasterKey, ...MasterKey[]]): Sealer {
  const byId = new Map(masterKeys.map((masterKey) => [masterKey.id, masterKey.key]))
  const [sealing] = masterKeys
  return {
    keyIds: [...byId.keys()],
    async seal(plaintext, place) {
      const dataKey = randomBytes(32)
      const data = associatedData(sealing.id, place)
      const wrapped = encrypt(sealing.key, dataKey, data)
      const value = encrypt(dataKey, Buffer.from(plaintext, 'utf8'), data)
      return [version, sealing.id, wrapped.toString('base64url'), value.toString('base64url')].join('.')
    },
    async open(sealed, place) {
      const [format, keyId, wrapped, value, ...rest] = sealed.split('.')
      if (format !== version || !keyId || !wrapped || !value || rest.length > 0) {
        throw new SealError('not a sealed value')
      }
      const masterKey = byId.get(keyId)
      if (!masterKey) throw new SealError(`sealed under a master key that is not configured: ${keyId}`)
      const data = associatedData(keyId, place)
      const dataKey = decrypt(masterKey, Buffer.from(wrapped, 'base64url'), data)
      return decrypt(dataKey, Buffer.from(value, 'base64url'), data).toString('utf8')
    },
  }
}

/** Seals under a key that only the holder of a presented secret can derive; no master key can open it. */
export function sealUnder(key: Uint8Array, plaintext: string, place: Place): string {
  return encrypt(key, Buffer.from(plaintext, 'utf8'), associatedData('', place)).toString('base64url')
}

/** Opens what `sealUnder` sealed. Throws `SealError`. */
export function openUnder(key: Uint8Array, sealed: string, place: Place): string {
  return decrypt(key, Buffer.from(sealed, 'base64url'), associatedData('', place)).toString('utf8')
}

function associatedData(keyId: string, place: Place): Buffer {
  return Buffer.from(JSON.stringify([version, keyId, place.table, place.row, place.column]))
}

function encrypt(key: Uint8Array, plaintext: Buffer, associated: Buffer): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated)
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: Uint8Array, sealed: Buffer, associated: Buffer): Buffer {
  if (sealed.length < 28) throw new SealError('sealed value is too short')
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(associated).setAuthTag(sealed.subarray(-16))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
  } catch (cause) {
    throw new SealError('sealed value does not open here', { cause })
  }
}
