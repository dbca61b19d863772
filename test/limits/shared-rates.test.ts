import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limitsSchema } from '../../src/config/settings.ts'
import { createPseudonyms } from '../../src/lib/pseudonyms.ts'
import { createRates } from '../../src/limits/rates.ts'
import { createRateSharing } from '../../src/limits/shared-rates.ts'
import { createSharing } from '../../src/limits/sharing.ts'
import type { RateLevel, RateTaken } from '../../src/storage/rate-levels.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'

const start = 1_900_000_000

/** As the table is: levels that fill as time goes by. */
function createLevels() {
  const levels = new Map<string, RateLevel>()
  const statements = { writes: 0, rows: 0 }
  return {
    statements,
    async add(told: readonly RateTaken[], { now, most }: { now: number; most: number }) {
      if (told.length > 0) statements.writes++
      statements.rows += told.length
      return told.map(({ takenMicros, ...level }) => {
        const written = (levels.get(level.keyHash)?.fullAtMicros ?? 0) + takenMicros
        const fullAtMicros = Math.min(Math.max(written, level.fullAtMicros), (now + most) * 1e6)
        levels.set(level.keyHash, { ...level, fullAtMicros })
        return { ...level, fullAtMicros }
      })
    },
    changedSince: async () => [...levels.values()],
  }
}

function startProcesses(count: number, authorizations: number) {
  let now = start
  const levels = createLevels()
  const pseudonyms = createPseudonyms()
  const limits = limitsSchema.parse({ authorizations })
  const processes = Array.from({ length: count }, () => {
    const { rates, limiters } = createRates({ limits, pseudonyms })
    const share = createRateSharing({ limiters, store: { rateLevels: levels }, clock: () => now })
    return { rates, share, take: (key = '') => rates.authorizations.take(key, now) === 0 }
  })
  const pass = (seconds: number) => {
    now += seconds
  }
  return { processes, levels, pass, at: () => now }
}

describe('a limit of several processes', () => {
  test('lets through, in any time, what one would and what came in before they could know', async () => {
    const arrivals = fc.array(fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 5 }), {
      minLength: 5,
      maxLength: 60,
    })
    const limits = fc.integer({ min: 1, max: 200 })
    await fc.assert(
      fc.asyncProperty(limits, fc.integer({ min: 1, max: 5 }), arrivals, async (limit, count, seconds) => {
        const { processes, pass } = startProcesses(count, limit)
        const through: number[] = []
        let inTwoSeconds = 0
        for (const coming of seconds) {
          const let_in = processes.map(
            ({ take }, index) =>
              Array.from({ length: coming[index % coming.length] ?? 0 }, () => take()).filter(Boolean).length,
          )
          through.push(let_in.reduce((sum, each) => sum + each, 0))
          inTwoSeconds = Math.max(inTwoSeconds, (through.at(-1) ?? 0) + (through.at(-2) ?? 0))
          for (const { share } of processes) await share()
          pass(1)
        }
        const unshared = count * Math.ceil(limit / 10)
        for (const from of through.keys()) {
          let sum = 0
          for (const [more, each] of through.slice(from).entries()) {
            sum += each
            expect(sum).toBeLessThanOrEqual(limit + (more * limit) / 60 + inTwoSeconds + unshared)
          }
        }
      }),
    )
  })

  test('holds for who never has much at once, but everywhere', async () => {
    const { processes, pass } = startProcesses(4, 60)
    let through = 0
    for (let second = 0; second < 600; second++) {
      // One in a second is what each process alone would let through for ever.
      for (const { take } of processes) through += take() ? 1 : 0
      for (const { share } of processes) await share()
      pass(1)
    }
    expect(through).toBeLessThanOrEqual(60 + 600 + 4 * 10)
    expect(through).toBeGreaterThan(550)
  })

  test('is one process’s own while the store is away, and is shared again when it is back', async () => {
    const { processes, levels } = startProcesses(2, 60)
    const [one, two] = processes
    if (!one || !two) throw new Error('no processes')
    const away = async () => {
      throw new StorageUnavailableError('closed')
    }
    const { add } = levels
    levels.add = away
    for (let count = 0; count < 50; count++) one.take()
    await createSharing([one.share])()
    expect(two.take()).toBe(true)
    levels.add = add
    await one.share()
    await two.share()
    expect(Array.from({ length: 60 }, () => two.take()).filter(Boolean)).toHaveLength(9)
  })

  test('is told in one statement a second of keys that matter, so many at most, and of nothing else', async () => {
    const { processes, levels } = startProcesses(1, 100)
    const [one] = processes
    if (!one) throw new Error('no process')
    for (let key = 0; key < 1_000; key++) for (let count = 0; count < 10; count++) one.take(`calm ${key}`)
    await one.share()
    expect(levels.statements).toEqual({ writes: 0, rows: 0 })
    for (let key = 0; key < 300; key++) for (let count = 0; count < 11; count++) one.take(`loud ${key}`)
    await one.share()
    expect(levels.statements).toEqual({ writes: 1, rows: 200 })
    await one.share()
    await one.share()
    expect(levels.statements).toEqual({ writes: 2, rows: 300 })
  })

  test('is each process’s own where it holds off work of that process alone', async () => {
    const { processes, levels, at } = startProcesses(1, 60)
    const [one] = processes
    for (let count = 0; count < 100; count++) one?.rates.unknown_visits_per_address.take('192.0.2.1', at())
    await one?.share()
    expect(levels.statements.writes).toBe(0)
  })

  test('is not told of twice at once', async () => {
    let begun = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    const share = createSharing([
      async () => {
        begun++
        await promise
      },
    ])
    const both = [share(), share()]
    resolve()
    await Promise.all(both)
    expect(begun).toBe(1)
    await share()
    expect(begun).toBe(2)
  })
})
