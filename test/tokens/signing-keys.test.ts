import { describe, expect, test } from 'vitest'
import { createSealer } from '../../src/lib/seal.ts'
import type { SigningKey } from '../../src/storage/signing-keys.ts'
import { mintAccessToken, verifyAccessToken } from '../../src/tokens/access-token.ts'
import { createSigningKeys, type SigningKeyRepository } from '../../src/tokens/signing-keys.ts'

const start = 1_800_000_000
const pace = { overlap: 600, tokenLifetime: 3_600 }
const masterKey = { id: 'm1', key: new Uint8Array(32).fill(7) }

/** What several processes share: a table and the time. */
function house() {
  const keys: SigningKey[] = []
  const events: unknown[] = []
  const state = { now: start, reads: 0, fails: false }
  const repository: SigningKeyRepository = {
    async list() {
      state.reads++
      if (state.fails) throw new Error('the database is gone')
      return structuredClone(keys)
    },
    async createFirst(key) {
      if (keys.length > 0) return false
      keys.push(key)
      return true
    },
    async rotate(youngest, successor, others, event) {
      if (!keys.some((key) => key.kid === youngest.kid && key.retiresAt === null)) return false
      for (const { kid, retiresAt } of [youngest, ...others]) {
        for (const key of keys) if (key.kid === kid) key.retiresAt = retiresAt
      }
      keys.push(successor)
      events.push(event)
      return true
    },
    async remove({ kid, retiresAt }, successor, event) {
      const at = keys.findIndex((key) => key.kid === kid && key.retiresAt === retiresAt)
      if (at < 0) return false
      keys.splice(at, 1, ...(successor ? [successor] : []))
      events.push(event)
      return true
    },
  }
  const process = (master = masterKey) =>
    createSigningKeys({ repository, sealer: createSealer([master]), clock: () => state.now, pace })
  return { keys, events, state, process }
}

const minting = { issuer: 'https://cc.test', audience: 'https://mcp.test', subject: 's', clientId: 'c' }

describe('signing keys', () => {
  test('the first use creates the first key, which signs at once and is published', async () => {
    const { keys, process } = house()
    const signingKeys = process()
    const { kid } = await signingKeys.signingKey()
    expect(keys).toHaveLength(1)
    expect(keys[0]).toMatchObject({ kid, createdAt: start, activeAt: start, retiresAt: null })
    expect(await signingKeys.jwks()).toEqual({ keys: [keys[0]?.publicJwk] })
    expect([...(await signingKeys.verificationKeys()).keys()]).toEqual([kid])
  })

  test('any number of first uses, in several processes, end with one key', async () => {
    const { keys, process } = house()
    const processes = [process(), process(), process()]
    const signers = await Promise.all(
      processes.flatMap((each) => [each.signingKey(), each.signingKey(), each.signingKey()]),
    )
    expect(keys).toHaveLength(1)
    expect(new Set(signers.map((signer) => signer.kid)).size).toBe(1)
  })

  test('the private key is sealed for its row, and the opened one cannot be exported', async () => {
    const { keys, process } = house()
    const { kid, ...opened } = await process().signingKey()
    const sealed = keys[0]?.sealedPrivateJwk ?? ''
    const sealer = createSealer([masterKey])
    const place = { table: 'signing_keys', row: kid, column: 'sealed_private_jwk' }
    const privateJwk = JSON.parse(await sealer.open(sealed, place))
    expect(privateJwk.d).toMatch(/^[\w-]{43}$/)
    expect(sealed).not.toContain(privateJwk.d)
    expect(JSON.stringify(await process().jwks())).not.toContain(privateJwk.d)
    expect(opened).toEqual({ sign: expect.any(Function) })
    await expect(sealer.open(sealed, { ...place, row: 'other' })).rejects.toThrow()
  })

  test('rows are read once a second at most, however many ask', async () => {
    const { state, process } = house()
    const signingKeys = process()
    await signingKeys.signingKey()
    const before = state.reads
    await Promise.all(Array.from({ length: 50 }, () => signingKeys.signingKey()))
    await signingKeys.verificationKeys()
    expect(state.reads).toBe(before)
    state.now += 1
    await Promise.all(Array.from({ length: 50 }, () => signingKeys.signingKey()))
    expect(state.reads).toBe(before + 1)
  })

  test('another process sees a rotation within a second, and its tokens verify at all times', async () => {
    const { state, process } = house()
    const [one, two] = [process(), process()]
    const mint = async () =>
      mintAccessToken({
        ...minting,
        key: await one.signingKey(),
        scopes: [],
        jti: 'j',
        authTime: start,
        now: state.now,
        lifetime: pace.tokenLifetime,
      })
    const verify = async (token: string) =>
      verifyAccessToken(token, {
        keys: await two.verificationKeys(),
        issuer: minting.issuer,
        now: state.now,
      })
    const first = await one.signingKey()
    await two.verificationKeys()
    const rotation = await one.rotate('admin:ada')
    expect(rotation).toEqual({ outcome: 'rotated', kid: expect.any(String), activeAt: start + pace.overlap })
    const old = await mint()
    expect(await verify(old)).toBeDefined()
    state.now += 1
    expect((await two.jwks()).keys).toHaveLength(2)
    state.now = start + pace.overlap - 1
    const last = await mint()
    state.now += 1
    expect((await one.signingKey()).kid).not.toBe(first.kid)
    expect((await two.signingKey()).kid).toBe((await one.signingKey()).kid)
    expect(await verify(await mint())).toBeDefined()
    state.now = start + pace.overlap + pace.tokenLifetime - 2
    expect(await verify(last)).toBeDefined()
    state.now += 2
    expect((await two.jwks()).keys).toHaveLength(1)
  })

  test('a rotation is recorded with who did it', async () => {
    const { events, process } = house()
    const rotation = await process().rotate('admin:ada')
    expect(events).toEqual([
      expect.objectContaining({
        event: 'signing_key.rotated',
        actor: 'admin:ada',
        at: start,
        detail: { kid: rotation.outcome === 'rotated' ? rotation.kid : '' },
      }),
    ])
  })

  test('of rotations at the same moment one happens, and the others say so', async () => {
    const { keys, process } = house()
    const processes = [process(), process(), process()]
    await Promise.all(processes.map((each) => each.signingKey()))
    const outcomes = await Promise.all(processes.map((each) => each.rotate('gateway')))
    expect(outcomes.map(({ outcome }) => outcome).toSorted()).toEqual(['overtaken', 'overtaken', 'rotated'])
    expect(keys).toHaveLength(2)
  })

  test('a key that leaked is worth nothing from the next second on', async () => {
    const { state, process } = house()
    const [one, two] = [process(), process()]
    const leaked = await one.signingKey()
    await two.verificationKeys()
    await one.rotate('admin:ada', { overlap: 0, tokenLifetime: 0 })
    expect((await one.signingKey()).kid).not.toBe(leaked.kid)
    expect((await one.verificationKeys()).has(leaked.kid)).toBe(false)
    state.now += 1
    expect((await two.verificationKeys()).has(leaked.kid)).toBe(false)
  })

  test('a failed read is not remembered', async () => {
    const { state, process } = house()
    const signingKeys = process()
    const { kid } = await signingKeys.signingKey()
    state.now += 1
    state.fails = true
    await expect(signingKeys.signingKey()).rejects.toThrow('the database is gone')
    state.fails = false
    expect((await signingKeys.signingKey()).kid).toBe(kid)
  })

  test('a key that is removed counts no more in any process, and one that signed is replaced at once', async () => {
    const { keys, state, process, events } = house()
    const [here, elsewhere] = [process(), process()]
    const { kid } = await here.signingKey()
    const token = mintAccessToken({
      ...minting,
      key: await here.signingKey(),
      scopes: [],
      jti: 'j',
      authTime: start,
      now: start,
      lifetime: 600,
    })
    await elsewhere.signingKey()
    const removed = await here.remove('admin:ada', kid)
    expect(removed).toMatchObject({ outcome: 'removed', successor: keys[0]?.kid })
    state.now++
    for (const each of [here, elsewhere]) {
      expect((await each.signingKey()).kid).toBe(keys[0]?.kid)
      expect((await each.jwks()).keys.map((key) => key.kid)).toEqual([keys[0]?.kid])
      const verification = { keys: await each.verificationKeys(), issuer: minting.issuer, now: state.now }
      expect(await verifyAccessToken(token, verification)).toBeUndefined()
    }
    expect(events).toMatchObject([{ event: 'signing_key.removed', actor: 'admin:ada', detail: { kid } }])
    expect(await here.remove('admin:ada', kid)).toEqual({ outcome: 'unknown' })
  })

  test('a removed key that waited to sign gets a successor that waits as long; the one that signs goes on', async () => {
    const { keys, process } = house()
    const signingKeys = process()
    const { kid } = await signingKeys.signingKey()
    const rotated = await signingKeys.rotate('admin:ada')
    if (rotated.outcome !== 'rotated') throw new Error('not rotated')
    await signingKeys.remove('admin:ada', rotated.kid)
    expect((await signingKeys.signingKey()).kid).toBe(kid)
    expect(keys.filter(({ retiresAt }) => retiresAt === null)).toMatchObject([
      { activeAt: start + pace.overlap },
    ])
    // The one that signs goes too: the only other one takes over before its time.
    await signingKeys.remove('admin:ada', kid)
    expect(keys).toHaveLength(1)
    expect((await signingKeys.signingKey()).kid).toBe(keys[0]?.kid)
  })

  test('of two processes that change the keys at once, one removes nothing it did not see', async () => {
    const { keys, process } = house()
    const [here, elsewhere] = [process(), process()]
    const { kid } = await here.signingKey()
    const outcomes = await Promise.all([here.rotate('a'), elsewhere.remove('b', kid)])
    expect(outcomes.map(({ outcome }) => outcome).filter((outcome) => outcome === 'overtaken')).toHaveLength(
      1,
    )
    expect(keys.filter(({ retiresAt }) => retiresAt === null)).toHaveLength(1)
  })

  test('a failed opening is not remembered either', async () => {
    const { keys, state, process } = house()
    const { kid } = await process().signingKey()
    const sealer = createSealer([masterKey])
    let outages = 1
    const open: typeof sealer.open = async (...sealed) => {
      if (outages-- > 0) throw new Error('the key service is gone')
      return sealer.open(...sealed)
    }
    const signingKeys = createSigningKeys({
      repository: {
        list: async () => keys,
        createFirst: async () => false,
        rotate: async () => false,
        remove: async () => false,
      },
      sealer: { ...sealer, open },
      clock: () => state.now,
      pace,
    })
    await expect(signingKeys.signingKey()).rejects.toThrow('the key service is gone')
    expect((await signingKeys.signingKey()).kid).toBe(kid)
  })

  test('under a wrong master key nothing is signed, and no second key is made', async () => {
    const { keys, process } = house()
    await process().signingKey()
    const wrong = process({ id: 'm1', key: new Uint8Array(32).fill(8) })
    await expect(wrong.signingKey()).rejects.toThrow('does not open')
    await expect(wrong.signingKey()).rejects.toThrow('does not open')
    expect(keys).toHaveLength(1)
    expect((await wrong.jwks()).keys).toHaveLength(1)
  })
})
