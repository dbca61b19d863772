import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createSealer,
  type MasterKey,
  openUnder,
  type Place,
  SealError,
  sealUnder,
} from '../../src/lib/seal.ts'
import { deriveKey } from '../../src/lib/secret.ts'

const newKey = (id: string): MasterKey => ({ id, key: randomBytes(32) })
const first = newKey('first')
const second = newKey('second')
const sealer = createSealer([first])
const place: Place = { table: 'connections', row: 'con_1', column: 'sealed_access_token' }

describe('a sealed value', () => {
  test('opens to what was sealed, whatever that is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (text) => {
        expect(await sealer.open(await sealer.seal(text, place), place)).toBe(text)
      }),
    )
  })

  test('shows nothing of it, and names the key it was sealed under', async () => {
    const sealed = await sealer.seal('CANARY-token', place)
    expect(sealed).toMatch(/^v1\.first\.[\w-]+\.[\w-]+$/)
    const bytes = Buffer.from(sealed.split('.')[3] ?? '', 'base64url').toString('latin1')
    expect(`${sealed}${bytes}`).not.toContain('CANARY')
  })

  test.each<[string, Partial<Place>]>([
    ['table', { table: 'providers' }],
    ['row', { row: 'con_2' }],
    ['column', { column: 'sealed_refresh_token' }],
    ['row, by what could be taken for another', { row: 'con_1","sealed_access_token' }],
  ])('does not open in another %s (CR-02)', async (_what, other) => {
    const sealed = await sealer.seal('token', place)
    await expect(sealer.open(sealed, { ...place, ...other })).rejects.toThrow(SealError)
  })

  test('does not open with any byte changed (CR-03)', async () => {
    const sealed = await sealer.seal('a token of some length', place)
    const [version, id, ...parts] = sealed.split('.')
    for (const [index, part] of parts.entries()) {
      const bytes = Buffer.from(part, 'base64url')
      for (let at = 0; at < bytes.length; at++) {
        const changed = Buffer.from(bytes)
        changed[at] = (changed[at] ?? 0) ^ 1
        const all = parts.with(index, changed.toString('base64url'))
        await expect(sealer.open([version, id, ...all].join('.'), place)).rejects.toThrow(SealError)
      }
    }
  })

  test('with its data key from another value does not open', async () => {
    const [one = '', two = ''] = await Promise.all(['a', 'b'].map((text) => sealer.seal(text, place)))
    const [version, id, wrapped] = one.split('.')
    const value = two.split('.')[3]
    await expect(sealer.open([version, id, wrapped, value].join('.'), place)).rejects.toThrow(SealError)
  })

  test.each([
    '',
    'gho_plaintext',
    'v1',
    'v1.first',
    'v1.first..',
    'v1.first.AAAA.AAAA',
    'v0.first.AAAA.AAAA',
    'v2.first.AAAA.AAAA',
    'v1.unknown.AAAA.AAAA',
    'v1.__proto__.AAAA.AAAA',
    'null',
  ])('is not %j: nothing is taken for plaintext (CR-04)', async (text) => {
    await expect(sealer.open(text, place)).rejects.toThrow(SealError)
  })

  test('cut short anywhere, or with more at its end, does not open (CR-04)', async () => {
    const sealed = await sealer.seal('token', place)
    for (let length = 0; length < sealed.length; length++) {
      await expect(sealer.open(sealed.slice(0, length), place)).rejects.toThrow(SealError)
    }
    for (const more of ['.', 'AAAA', '.AAAA', sealed]) {
      await expect(sealer.open(sealed + more, place)).rejects.toThrow(SealError)
    }
  })

  test('is another one each time: ten thousand have as many nonces and data keys (CR-05)', async () => {
    const all = await Promise.all(Array.from({ length: 10_000 }, () => sealer.seal('same', place)))
    const nonces = all.flatMap((sealed) =>
      sealed
        .split('.')
        .slice(2)
        .map((part) => Buffer.from(part, 'base64url').subarray(0, 12).toString('hex')),
    )
    expect(new Set(nonces).size).toBe(20_000)
  })
})

describe('several master keys', () => {
  test('open what each of them sealed, and the first seals', async () => {
    const both = createSealer([second, first])
    const old = await sealer.seal('old', place)
    expect(await both.open(old, place)).toBe('old')
    const fresh = await both.seal('new', place)
    expect(fresh.startsWith('v1.second.')).toBe(true)
    await expect(sealer.open(fresh, place)).rejects.toThrow(SealError)
    expect(both.keyIds).toEqual(['second', 'first'])
  })

  test('under one id do not open each other’s values', async () => {
    const impostor = createSealer([{ id: 'first', key: randomBytes(32) }])
    await expect(impostor.open(await sealer.seal('x', place), place)).rejects.toThrow(SealError)
  })

  test('do not let a value be passed off as sealed under another of them', async () => {
    const both = createSealer([second, first])
    const sealed = await sealer.seal('x', place)
    await expect(both.open(sealed.replace('v1.first', 'v1.second'), place)).rejects.toThrow(SealError)
  })
})

test('errors say nothing of what was sealed', async () => {
  const error = await sealer.open('v1.first.CANARY.CANARY', place).catch((thrown: Error) => thrown)
  expect(String(error)).not.toContain('CANARY')
})

describe('a value sealed under a derived key', () => {
  const key = deriveKey('presented', 'one purpose')

  test('opens with that key in that place alone', () => {
    const sealed = sealUnder(key, 'successor', place)
    expect(openUnder(key, sealed, place)).toBe('successor')
    expect(() => openUnder(key, sealed, { ...place, row: 'con_2' })).toThrow(SealError)
    expect(() => openUnder(deriveKey('presented', 'another purpose'), sealed, place)).toThrow(SealError)
    expect(() => openUnder(deriveKey('another', 'one purpose'), sealed, place)).toThrow(SealError)
    expect(() => openUnder(key, '', place)).toThrow(SealError)
  })

  test('is no value of the vault, nor the other way round (CR-16)', async () => {
    const sealed = sealUnder(first.key, 'x', place)
    await expect(sealer.open(`v1.first.${sealed}.${sealed}`, place)).rejects.toThrow(SealError)
    expect(() => openUnder(first.key, 'v1.first.AAAA.AAAA', place)).toThrow(SealError)
  })
})
