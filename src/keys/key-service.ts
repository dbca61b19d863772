import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { putBounded } from '../lib/bounded-map.ts'
import type { Clock } from '../lib/clock.ts'
import { FetchError } from '../lib/fetch-error.ts'
import type { GuardedFetch } from '../lib/guarded-fetch.ts'
import { type KeyHolder, SealError, unwrapUnder, wrapUnder } from '../lib/seal.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'

/** A key of a transit engine (HashiCorp Vault, OpenBao): `https://host/v1/transit/keys/name`. */
export type KeyServiceAddress = {
  readonly url: string
  /** The key's name there, and its id here. */
  readonly id: string
  /** Read anew for each request: whoever looks after the token may replace it. */
  token(): string
}

/** Seconds for which a key the service opened is used without asking it again. */
export const openedLifetime = 3_600

/** Seconds after which it is looked again which version of the key the service wraps with. */
const newsLifetime = 60

/** Seconds before the service is asked again after it did not answer. */
const retryAfter = 30

type Parts = {
  address: KeyServiceAddress
  fetch: GuardedFetch
  clock: Clock
  deadline: number
  /**
   * Keys kept open at once. Every process makes one an hour at most, so many values share one; but a value that is
   * never written again keeps its own in use, and two processes make 17,520 a year.
   */
  capacity?: number
}

type Opened = { key: Promise<Uint8Array>; askAgainAt: number }

/**
 * A master key that never leaves its service. The service wraps a key of this process's, at most one an hour, and
 * that one wraps the data keys: so most values are sealed and opened without asking it. What was opened is used for an
 * hour; longer only while the service does not answer at all. Where it is needed and does not answer, or refuses, a
 * `StorageUnavailableError` says so: nothing is ever taken for damaged because of that.
 */
export function createKeyService(parts: Parts): KeyHolder {
  const { address, clock, capacity = 20_000 } = parts
  const { encrypt, decrypt } = createTransit(parts)
  const opened = new Map<string, Opened>()
  let sealing: { wrapped: string; key: Uint8Array; madeAt: number } | undefined
  let making: Promise<void> | undefined

  async function makeSealing(): Promise<void> {
    const key = randomBytes(32)
    const wrapped = await encrypt(key)
    sealing = { wrapped, key, madeAt: clock() }
    void keep(wrapped, Promise.resolve(key))
  }

  const remake = () => {
    making ??= makeSealing().finally(() => {
      making = undefined
    })
    return making
  }

  /** What is sealed must never be lost, so a key that cannot be replaced just now goes on. */
  async function sealingKey() {
    if (!sealing) await remake()
    else if (clock() >= sealing.madeAt + openedLifetime) remake().catch(() => {})
    if (!sealing) throw new Error('no key to seal with')
    return sealing
  }

  function keep(wrapped: string, key: Promise<Uint8Array>): Promise<Uint8Array> {
    const entry = { key, askAgainAt: clock() + openedLifetime }
    putBounded(opened, wrapped, entry, capacity)
    key.catch(() => {
      if (opened.get(wrapped) === entry) opened.delete(wrapped)
    })
    return key
  }

  async function openKey(wrapped: string): Promise<Uint8Array> {
    const before = opened.get(wrapped)
    if (!before) return await keep(wrapped, decrypt(wrapped))
    // The one that was used longest ago makes room, and not the one that was opened first.
    putBounded(opened, wrapped, before, capacity)
    if (clock() < before.askAgainAt) return await before.key
    // Others go on with it meanwhile, and where it does not answer.
    before.askAgainAt = clock() + retryAfter
    try {
      const key = await decrypt(wrapped)
      before.askAgainAt = clock() + openedLifetime
      return key
    } catch (error) {
      if (error instanceof KeyServiceSilent) return await before.key
      opened.delete(wrapped)
      throw error
    }
  }

  return {
    id: address.id,
    async wrap(dataKey, associated) {
      const { wrapped, key } = await sealingKey()
      return `${wrapped}~${wrapUnder(key, dataKey, associated)}`
    },
    async unwrap(both, associated) {
      const [wrapped = '', own = '', ...rest] = both.split('~')
      if (!isCiphertext(wrapped) || rest.length > 0) throw new SealError('not a wrapped key')
      return unwrapUnder(await openKey(wrapped), own, associated)
    },
    async current() {
      if (!sealing || clock() >= sealing.madeAt + newsLifetime) await remake()
      const { wrapped = '' } = sealing ?? {}
      return wrapped.slice(0, wrapped.lastIndexOf(':') + 1)
    },
  }
}

/** The key service did not answer: what it opened before may still be used. */
class KeyServiceSilent extends StorageUnavailableError {
  override name = 'KeyServiceSilent'
}

/** It is part of a sealed value, whose parts dots separate. */
const isCiphertext = (text: string) => /^vault:v[0-9]{1,9}:[A-Za-z0-9+/=]{1,500}$/.test(text)

const encrypted = z.object({ data: z.object({ ciphertext: z.string().refine(isCiphertext) }) })
const decrypted = z.object({ data: z.object({ plaintext: z.base64() }) })
const refused = z.object({ errors: z.array(z.string()) })

/** `encrypt` and `decrypt` of the engine's HTTP API. Answers hold keys, so nothing of one is ever part of an error. */
function createTransit({ address, fetch, deadline }: Parts) {
  const associated = Buffer.from(`coatcheck key ${address.id}`).toString('base64')
  const { host } = new URL(address.url)

  /** Whoever writes the file may be about to. */
  function currentToken(): string {
    try {
      return address.token()
    } catch (cause) {
      throw new KeyServiceSilent('key_service', { cause })
    }
  }

  async function ask<Answer>(what: 'encrypt' | 'decrypt', schema: z.ZodType<Answer>, body: object) {
    const response = await fetch(address.url.replace(/\/keys\/([^/]+)$/, `/${what}/$1`), {
      method: 'POST',
      headers: {
        'x-vault-token': currentToken(),
        'x-vault-request': 'true',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ ...body, associated_data: associated }),
      privateHosts: new Set([host]),
      deadline,
      limit: 65_536,
    }).catch((cause: unknown) => {
      if (cause instanceof FetchError) throw new KeyServiceSilent('key_service', { cause })
      throw cause
    })
    const answer: unknown = await response.json().catch(() => undefined)
    const read = schema.safeParse(answer)
    if (response.status === 200 && read.success) return read.data
    throw faultOf(response.status, answer)
  }

  return {
    async encrypt(key: Uint8Array): Promise<string> {
      const { data } = await ask('encrypt', encrypted, { plaintext: Buffer.from(key).toString('base64') })
      return data.ciphertext
    },
    async decrypt(ciphertext: string): Promise<Uint8Array> {
      const { data } = await ask('decrypt', decrypted, { ciphertext })
      // A copy: what Node reads from base64 is a piece of a pool, and kept for months would keep all of it.
      const key = new Uint8Array(Buffer.from(data.plaintext, 'base64'))
      if (key.length !== 32) throw new SealError('the key service opened something that is no key')
      return key
    },
  }
}

/**
 * A service that is sealed, overloaded or in trouble is silent; one that has no such key or takes no such token refuses. Only
 * where it says of the very text that it does not open, something is wrong with the value.
 */
function faultOf(status: number, answer: unknown): Error {
  const said = refused.safeParse(answer).data?.errors.join() ?? ''
  if (status === 400 && /invalid ciphertext|message authentication failed/.test(said)) {
    return new SealError('the key service did not wrap this')
  }
  const cause = new Error(`the key service answered ${status}`)
  if (status >= 500 || status === 429) return new KeyServiceSilent('key_service', { cause })
  return new StorageUnavailableError('key_service', { cause })
}
