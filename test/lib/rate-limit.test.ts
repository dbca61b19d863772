import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { addressHolder } from '../../src/lib/address.ts'
import { createRateLimiter } from '../../src/lib/rate-limit.ts'

const start = 1_800_000_000
const rates = fc.record({ limit: fc.integer({ min: 1, max: 50 }), window: fc.integer({ min: 1, max: 120 }) })
const pauses = fc.array(fc.nat({ max: 90 }), { minLength: 1, maxLength: 200 })

describe('a key', () => {
  test('takes its whole limit at once and no more', () => {
    const limiter = createRateLimiter({ limit: 5, window: 60 })
    const waits = Array.from({ length: 7 }, () => limiter.take('a', start))
    expect(waits).toEqual([0, 0, 0, 0, 0, 12, 12])
  })

  test('tells what it has taken, which trickles back', () => {
    const limiter = createRateLimiter({ limit: 6, window: 60 })
    expect(limiter.taken('a', start)).toBe(0)
    for (let times = 0; times < 8; times++) limiter.take('a', start)
    expect(limiter.taken('a', start)).toBe(6)
    expect(limiter.taken('a', start + 25)).toBe(4)
    expect(limiter.taken('a', start + 60)).toBe(0)
    expect(limiter.taken('b', start)).toBe(0)
  })

  test('never takes more than its limit and what came since, whenever it asks', () => {
    fc.assert(
      fc.property(rates, pauses, (rate, gaps) => {
        const limiter = createRateLimiter(rate)
        const taken: number[] = []
        let now = start
        for (const gap of gaps) {
          now += gap
          if (limiter.take('a', now) === 0) taken.push(now)
        }
        for (const [index, from] of taken.entries()) {
          for (const [more, to] of taken.slice(index).entries()) {
            expect(more + 1).toBeLessThanOrEqual(rate.limit + ((to - from) * rate.limit) / rate.window)
          }
        }
      }),
    )
  })

  test('is served at the second it was told, and not a second sooner', () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 1, max: 200 }), (rate, attempts) => {
        const limiter = createRateLimiter(rate)
        let wait = 0
        for (let attempt = 0; attempt < attempts + rate.limit; attempt++) wait = limiter.take('a', start)
        expect(wait).toBeGreaterThan(0)
        if (wait > 1) expect(limiter.take('a', start + wait - 1)).toBe(1)
        expect(limiter.take('a', start + wait)).toBe(0)
      }),
    )
  })

  test('is told how long it would wait without taking anything', () => {
    const limiter = createRateLimiter({ limit: 2, window: 60 })
    expect([limiter.wait('a', start), limiter.wait('a', start), limiter.size()]).toEqual([0, 0, 0])
    limiter.take('a', start)
    limiter.take('a', start)
    expect([limiter.wait('a', start), limiter.wait('a', start + 29), limiter.take('a', start)]).toEqual([
      30, 1, 30,
    ])
    expect(limiter.wait('a', start + 30)).toBe(0)
  })

  test('has all of its limit again after a window', () => {
    fc.assert(
      fc.property(rates, (rate) => {
        const limiter = createRateLimiter(rate)
        const burst = (now: number) => Array.from({ length: rate.limit }, () => limiter.take('a', now))
        burst(start)
        expect(burst(start + rate.window)).toEqual(Array(rate.limit).fill(0))
      }),
    )
  })

  test('is not locked out by a clock that was set back', () => {
    const limiter = createRateLimiter({ limit: 5, window: 60 })
    for (let attempt = 0; attempt < 9; attempt++) limiter.take('a', start)
    expect(limiter.take('a', start - 7200)).toBe(0)

    const crowded = createRateLimiter({ limit: 1, window: 60 }, 20)
    for (let key = 0; key < 20; key++) crowded.take(String(key), start)
    expect(crowded.take('new', start - 7200)).toBe(0)
  })
})

describe('among many keys', () => {
  test('nobody takes from another', () => {
    const limiter = createRateLimiter({ limit: 1, window: 60 })
    expect(['a', 'b', 'a', 'b'].map((key) => limiter.take(key, start))).toEqual([0, 0, 60, 60])
  })

  test('one that may take no more stays so, however many others come', () => {
    const others = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 600 })
    fc.assert(
      fc.property(rates, others, (rate, keys) => {
        const limiter = createRateLimiter(rate, 20)
        for (let attempt = 0; attempt <= rate.limit; attempt++) limiter.take('noisy', start)
        for (const key of keys) limiter.take(String(key), start)
        expect(limiter.take('noisy', start)).toBeGreaterThan(0)
      }),
    )
  })

  test('being forgotten gives nobody more than they may have, whenever anybody comes', () => {
    const visits = fc.array(fc.record({ key: fc.nat({ max: 40 }), pause: fc.nat({ max: 3 }) }), {
      minLength: 100,
      maxLength: 600,
    })
    fc.assert(
      fc.property(rates, visits, (rate, sequence) => {
        const limiter = createRateLimiter(rate, 10)
        const taken = new Map<number, number[]>()
        let now = start
        for (const { key, pause } of sequence) {
          now += pause
          if (limiter.take(String(key), now) === 0) taken.set(key, [...(taken.get(key) ?? []), now])
        }
        for (const times of taken.values()) {
          const [first = now] = times
          const fair = rate.limit + ((now - first) * rate.limit) / rate.window
          expect(times.length).toBeLessThanOrEqual(fair)
        }
        expect(limiter.size()).toBeLessThanOrEqual(10)
      }),
    )
  })

  test('a new one is served while all together took less than all that are remembered may', () => {
    const limiter = createRateLimiter({ limit: 50, window: 60 }, 20)
    for (let key = 0; key < 500; key++) expect(limiter.take(`once ${key}`, start)).toBe(0)
  })

  test('a new one waits where all that are remembered may take no more', () => {
    const limiter = createRateLimiter({ limit: 1, window: 60 }, 20)
    for (let key = 0; key < 20; key++) limiter.take(String(key), start)
    expect(limiter.take('new', start + 10)).toBe(50)
    expect(limiter.take('new', start + 59)).toBe(1)
    expect(limiter.take('new', start + 60)).toBe(0)
  })

  test('a million are no more than ten thousand, and who took half has but the other half', () => {
    const limiter = createRateLimiter({ limit: 60, window: 60 })
    for (let attempt = 0; attempt < 30; attempt++) limiter.take('half', start)
    for (let attempt = 0; attempt < 60; attempt++) limiter.take('all', start)
    let most = 0
    for (let key = 0; key < 1_000_000; key++) {
      limiter.take(String(key), start)
      if (key % 10_000 === 0) most = Math.max(most, limiter.size())
    }
    expect(Math.max(most, limiter.size())).toBeLessThanOrEqual(10_000)
    expect(limiter.wait('all', start)).toBeGreaterThan(0)
    const more = Array.from({ length: 60 }, () => limiter.take('half', start)).filter((wait) => wait === 0)
    expect(more.length).toBeLessThanOrEqual(30)
    // It passes: a window later everybody has all of it again.
    expect(Array.from({ length: 60 }, () => limiter.take('new', start + 61))).toEqual(Array(60).fill(0))
  })

  test('those that were forgotten wait no longer to be shared, however long nobody can be told', () => {
    const additions = vi.spyOn(Set.prototype, 'add')
    const limiter = createRateLimiter({ limit: 2, window: 60 }, 20)
    for (let key = 0; key < 1_000; key++) limiter.take(String(key), start + key)
    const waiting = additions.mock.contexts.map((set) => (set as Set<unknown>).size)
    additions.mockRestore()
    expect(waiting.length).toBeGreaterThan(500)
    expect(Math.max(...waiting)).toBeLessThanOrEqual(20)
  })

  test('a level that no clock could have told but a wrong one locks nobody out', () => {
    const limiter = createRateLimiter({ limit: 50, window: 60 })
    limiter.learn('ada', (start + 130) * 1e6, start)
    limiter.learn('ada', Number.MAX_SAFE_INTEGER, start)
    expect(limiter.taken('ada', start)).toBe(0)
    limiter.learn('ada', (start + 60) * 1e6, start)
    expect(limiter.taken('ada', start)).toBe(50)
  })

  test('ten thousand more cost no more than a blink each', () => {
    const limiter = createRateLimiter({ limit: 2, window: 60 })
    const began = performance.now()
    for (let key = 0; key < 50_000; key++) limiter.take(String(key), start)
    expect((performance.now() - began) / 50_000).toBeLessThan(0.2)
  })
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:ffff::', '2001:db8:1:2::/64'],
  ['2001:DB8:1:3::1', '2001:db8:1:3::/64'],
  ['::1', '0:0:0:0::/64'],
  ['not an address', 'unknown'],
  ['', 'unknown'],
])('%s counts as %s', (address, holder) => {
  expect(addressHolder(address)).toBe(holder)
})
