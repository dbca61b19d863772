import fc from 'fast-check'
import { calculateJwkThumbprint } from 'jose'
import { describe, expect, test } from 'vitest'
import type { SigningKey } from '../../src/storage/signing-keys.ts'
import {
  generateSigningKey,
  planRotation,
  publishedKeys,
  type RotationPace,
  signingKeyAt,
} from '../../src/tokens/signing-key-ring.ts'

const now = 1_800_000_000
const pace: RotationPace = { overlap: 600, tokenLifetime: 3_600 }

function key(kid: string, activeAt: number, retiresAt: number | null): SigningKey {
  const publicJwk = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid, alg: 'ES256', use: 'sig' }
  return { kid, publicJwk, sealedPrivateJwk: 'sealed', createdAt: activeAt, activeAt, retiresAt }
}

const kids = (keys: readonly SigningKey[]) => keys.map((entry) => entry.kid).toSorted()

/** The rows as they are after a rotation. */
function rotated(keys: readonly SigningKey[], kid: string, at: number, how = pace): SigningKey[] {
  const plan = planRotation(keys, at, how)
  if (!plan) throw new Error('nothing to rotate')
  const ends = new Map([plan.youngest, ...plan.others].map((end) => [end.kid, end.retiresAt]))
  const kept = keys.map((entry) => ({ ...entry, retiresAt: ends.get(entry.kid) ?? entry.retiresAt }))
  return [...kept, { ...key(kid, plan.activeAt, null), createdAt: at }]
}

describe('the signing key', () => {
  test('is none where there is none', () => {
    expect(signingKeyAt([], now)).toBeUndefined()
    expect(signingKeyAt([key('a', now - 10, now - 1)], now)).toBeUndefined()
  })

  test('changes at the very second the successor becomes active', () => {
    const keys = rotated([key('a', now - 1_000, null)], 'b', now)
    expect(signingKeyAt(keys, now + pace.overlap - 1)?.kid).toBe('a')
    expect(signingKeyAt(keys, now + pace.overlap)?.kid).toBe('b')
  })

  test('does not depend on the order of the rows', () => {
    const keys = rotated(rotated([key('a', now - 9_000, null)], 'b', now - 5_000), 'c', now - 700)
    expect(signingKeyAt(keys, now)?.kid).toBe('c')
    expect(signingKeyAt(keys.toReversed(), now)?.kid).toBe('c')
  })

  test('is the first one due where the clock runs behind', () => {
    const keys = [key('b', now + 20, null), key('a', now + 10, now + 4_000)]
    expect(signingKeyAt(keys, now)?.kid).toBe('a')
  })

  test('is never one that retired, even if it was to become active later', () => {
    const leaked = rotated([key('a', now - 1_000, null)], 'b', now - 10)
    const keys = rotated(leaked, 'c', now, { overlap: 0, tokenLifetime: 0 })
    expect(signingKeyAt(keys, now)?.kid).toBe('c')
    expect(signingKeyAt(keys, now + pace.overlap)?.kid).toBe('c')
    expect(kids(publishedKeys(keys, now))).toEqual(['c'])
  })
})

describe('the published keys', () => {
  test('are there before they sign, and until what they signed has ended', () => {
    const keys = rotated([key('a', now - 1_000, null)], 'b', now)
    const end = now + pace.overlap + pace.tokenLifetime
    expect(kids(publishedKeys(keys, now))).toEqual(['a', 'b'])
    expect(kids(publishedKeys(keys, end - 1))).toEqual(['a', 'b'])
    expect(kids(publishedKeys(keys, end))).toEqual(['b'])
  })
})

describe('planning a rotation', () => {
  test('there is nothing to put a successor after where there is no key', () => {
    expect(planRotation([], now, pace)).toBeUndefined()
  })

  test('gives the youngest key its end', () => {
    expect(planRotation([key('a', now - 1_000, null)], now, pace)).toEqual({
      activeAt: now + 600,
      youngest: { kid: 'a', retiresAt: now + 4_200 },
      others: [],
    })
  })

  test('leaves older keys their ends', () => {
    const keys = rotated([key('a', now - 1_000, null)], 'b', now - 60)
    expect(planRotation(keys, now, pace)).toEqual({
      activeAt: now + 600,
      youngest: { kid: 'b', retiresAt: now + 4_200 },
      others: [],
    })
  })

  test('ends older keys too where it is for a key that leaked', () => {
    const keys = rotated([key('a', now - 1_000, null)], 'b', now - 60)
    expect(planRotation(keys, now, { overlap: 0, tokenLifetime: 0 })).toEqual({
      activeAt: now,
      youngest: { kid: 'b', retiresAt: now },
      others: [{ kid: 'a', retiresAt: now }],
    })
  })

  const history = fc.array(
    fc.record({
      wait: fc.nat({ max: 5_000 }),
      overlap: fc.nat({ max: 1_000 }),
      tokenLifetime: fc.nat({ max: 4_000 }),
    }),
    { maxLength: 8 },
  )

  test('after any history somebody signs, who is published, and one key has no end', () => {
    fc.assert(
      fc.property(history, fc.nat({ max: 20_000 }), (rotations, moment) => {
        let at = now
        let keys = [key('k0', now, null)]
        rotations.forEach(({ wait, ...how }, index) => {
          at += wait
          keys = rotated(keys, `k${index + 1}`, at, how)
        })
        expect(keys.filter((entry) => entry.retiresAt === null)).toHaveLength(1)
        expect(publishedKeys(keys, at + moment)).toContain(signingKeyAt(keys, at + moment))
      }),
    )
  })

  test('at one pace, the key of a token is published until the token ends, whatever is rotated meanwhile', () => {
    const waits = fc.array(fc.nat({ max: 3_000 }), { maxLength: 8 })
    fc.assert(
      fc.property(waits, waits, (before, after) => {
        let at = now
        let keys = [key('k', now, null)]
        for (const wait of before) {
          at += wait
          keys = rotated(keys, `b${keys.length}`, at)
        }
        const signedAt = at
        const kid = signingKeyAt(keys, signedAt)?.kid
        for (const wait of after) {
          at += wait
          keys = rotated(keys, `a${keys.length}`, at)
        }
        expect(kids(publishedKeys(keys, signedAt + pace.tokenLifetime - 1))).toContain(kid)
      }),
    )
  })
})

describe('a generated key', () => {
  test('is named by the thumbprint of RFC 7638, and its public half says nothing of the private one', async () => {
    const { kid, publicJwk, privateJwk } = await generateSigningKey()
    expect(kid).toBe(await calculateJwkThumbprint(privateJwk))
    expect(Object.keys(publicJwk).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    expect(publicJwk).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid })
    expect(JSON.stringify(publicJwk)).not.toContain(privateJwk.d)
    expect((await generateSigningKey()).kid).not.toBe(kid)
  })
})
