import { createPrivateKey, sign } from 'node:crypto'
import { type CryptoKey, importJWK, type JWK } from 'jose'
import { auditEvent } from '../audit/event.ts'
import type { Clock } from '../lib/clock.ts'
import { keepAnswer } from '../lib/kept-answer.ts'
import type { Place, Sealer } from '../lib/seal.ts'
import type { NewAuditEvent } from '../storage/audit-events.ts'
import type { PublicJwk } from '../storage/documents.ts'
import type { Retirement, SigningKey } from '../storage/signing-keys.ts'
import {
  generateSigningKey,
  planRotation,
  publishedKeys,
  type RotationPace,
  signingKeyAt,
  successionOf,
} from './signing-key-ring.ts'

export type SigningKeyRepository = {
  list(): Promise<SigningKey[]>
  createFirst(key: SigningKey): Promise<boolean>
  rotate(
    youngest: Retirement,
    successor: SigningKey,
    others: readonly Retirement[],
    event: NewAuditEvent,
  ): Promise<boolean>
  remove(
    key: Pick<SigningKey, 'kid' | 'retiresAt'>,
    successor: SigningKey | undefined,
    event: NewAuditEvent,
  ): Promise<boolean>
}

export type RemovalOutcome =
  /** `successor`: the key that was made because no younger one was there. */
  | { readonly outcome: 'removed'; readonly successor?: string }
  | { readonly outcome: 'unknown' }
  /** Another process changed the keys at the same moment. */
  | { readonly outcome: 'overtaken' }

export type SigningKeysOptions = {
  readonly repository: SigningKeyRepository
  readonly sealer: Sealer
  readonly clock: Clock
  readonly pace: RotationPace
}

/** A key opened for signing, which nobody can take out of it. */
export type Signer = {
  readonly kid: string
  /** The ES256 signature of a text, base64url (RFC 7518 section 3.4). */
  sign(text: string): string
}

/** Public keys by their `kid`. */
export type VerificationKeys = ReadonlyMap<string, CryptoKey>

export type RotationOutcome =
  | { readonly outcome: 'rotated'; readonly kid: string; readonly activeAt: number }
  /** Another process rotated at the same moment; its key is the new one. */
  | { readonly outcome: 'overtaken' }

export type SigningKeys = {
  /** The key that signs now. Creates the first one where there is none. */
  signingKey(): Promise<Signer>
  /** The keys whose signatures count. */
  verificationKeys(): Promise<VerificationKeys>
  /** The document of `jwks_uri` (RFC 7517). */
  jwks(): Promise<{ keys: PublicJwk[] }>
  /**
   * Puts a new key after the present one, and records it. `pace` is the configured one unless said: `atOnce` makes
   * everything signed so far worthless, for a key that leaked.
   */
  rotate(actor: string, pace?: RotationPace): Promise<RotationOutcome>
  /**
   * Takes a key out of the published set, for one that leaked: nothing it signed counts any more, here within a second
   * in every process, and elsewhere as soon as the JWKS is read again. There is always a key that signs.
   */
  remove(actor: string, kid: string): Promise<RemovalOutcome>
}

/**
 * The signing keys of this gateway. Rows are read again once a second at most, so that another process's rotation
 * is seen; keys stay opened as long as their rows exist.
 */
export function createSigningKeys({ repository, sealer, clock, pace }: SigningKeysOptions): SigningKeys {
  const signers = new Map<string, Promise<Signer>>()
  const verifiers = new Map<string, Promise<CryptoKey>>()
  /** How often this process changed the rows. */
  let changes = 0
  const currentRows = keepAnswer(readRows, () => `${clock()} ${changes}`)

  async function readRows(): Promise<SigningKey[]> {
    let keys = await repository.list()
    if (keys.length === 0) {
      const now = clock()
      await repository.createFirst(await sealedKey(now, now))
      keys = await repository.list()
    }
    const kids = new Set(keys.map((key) => key.kid))
    for (const cache of [signers, verifiers]) {
      for (const kid of cache.keys()) if (!kids.has(kid)) cache.delete(kid)
    }
    return keys
  }

  async function sealedKey(createdAt: number, activeAt: number): Promise<SigningKey> {
    const { kid, publicJwk, privateJwk } = await generateSigningKey()
    const sealedPrivateJwk = await sealer.seal(JSON.stringify(privateJwk), placeOf(kid))
    return { kid, publicJwk, sealedPrivateJwk, createdAt, activeAt, retiresAt: null }
  }

  async function openSigner({ kid, sealedPrivateJwk }: SigningKey): Promise<Signer> {
    return signerOf(kid, JSON.parse(await sealer.open(sealedPrivateJwk, placeOf(kid))))
  }

  return {
    async signingKey() {
      const key = signingKeyAt(await currentRows(), clock())
      if (!key) throw new Error('there is no signing key')
      return remembered(signers, key.kid, () => openSigner(key))
    },

    async verificationKeys() {
      const published = publishedKeys(await currentRows(), clock())
      const opened = published.map(
        async ({ kid, publicJwk }) =>
          [kid, await remembered(verifiers, kid, () => importKey(publicJwk))] as const,
      )
      return new Map(await Promise.all(opened))
    },

    async jwks() {
      return { keys: publishedKeys(await currentRows(), clock()).map((key) => key.publicJwk) }
    },

    async rotate(actor, chosenPace = pace) {
      // Makes sure that there is a first key; then reads what is there at this very moment.
      await currentRows()
      const now = clock()
      const rotation = planRotation(await repository.list(), now, chosenPace)
      if (!rotation) return { outcome: 'overtaken' }
      const { activeAt, youngest, others } = rotation
      const successor = await sealedKey(now, activeAt)
      const event = auditEvent(now, { event: 'signing_key.rotated', actor, detail: { kid: successor.kid } })
      const rotated = await repository.rotate(youngest, successor, others, event)
      changes += 1
      return rotated ? { outcome: 'rotated', kid: successor.kid, activeAt } : { outcome: 'overtaken' }
    },

    async remove(actor, kid) {
      const now = clock()
      const keys = await repository.list()
      const key = keys.find((each) => each.kid === kid)
      if (!key) return { outcome: 'unknown' }
      const activeAt = successionOf(keys, key, now, pace)
      const successor = activeAt === undefined ? undefined : await sealedKey(now, activeAt)
      const detail = { kid, ...(successor && { successor: successor.kid }) }
      const event = auditEvent(now, { event: 'signing_key.removed', actor, detail })
      const removed = await repository.remove(key, successor, event)
      changes += 1
      if (!removed) return { outcome: 'overtaken' }
      return { outcome: 'removed', ...(successor && { successor: successor.kid }) }
    },
  }
}

function placeOf(kid: string): Place {
  return { table: 'signing_keys', row: kid, column: 'sealed_private_jwk' }
}

/**
 * Signs in this thread: a signature takes 25 µs, and to have another thread make it costs this one nearly as much and all
 * of them together twice.
 */
export function signerOf(kid: string, privateJwk: JWK): Signer {
  const key = createPrivateKey({ key: privateJwk, format: 'jwk' })
  return {
    kid,
    sign: (text) =>
      sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url'),
  }
}

async function importKey(jwk: object): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'ES256')
  if (key instanceof Uint8Array) throw new Error('a signing key is not an elliptic curve key')
  return key
}

/** Loads once for everybody who asks meanwhile; a failure is not remembered. */
function remembered<Value>(
  cache: Map<string, Promise<Value>>,
  key: string,
  load: () => Promise<Value>,
): Promise<Value> {
  const present = cache.get(key)
  if (present) return present
  const loading = load()
  cache.set(key, loading)
  loading.catch(() => cache.delete(key))
  return loading
}
