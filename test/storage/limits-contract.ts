import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { limitsSchema } from '../../src/config/settings.ts'
import { createPseudonyms } from '../../src/lib/pseudonyms.ts'
import { createRates } from '../../src/limits/rates.ts'
import { createReturning } from '../../src/limits/returning.ts'
import { createRateSharing } from '../../src/limits/shared-rates.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { createStore } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'

const start = 1_900_000_000

/** What several processes over one database let through together. */
export function limitsContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: the limits of several processes`, () => {
    let url: string
    const databases: Database[] = []
    let now = start
    let key: Uint8Array
    const clock = () => now

    beforeAll(async () => {
      url = await backend.newUrl()
      for (let process = 0; process < 3; process++) databases.push(await openDatabase(url))
    })
    afterAll(async () => {
      for (const database of databases) await database.close()
    })
    beforeEach(async () => {
      now += 1_000
      key = randomBytes(32)
    })

    function newProcess(index: number) {
      const database = databases[index]
      if (!database) throw new Error('no such process')
      const store = createStore(database.db, database.tables, database.batch)
      const pseudonyms = createPseudonyms()
      pseudonyms.keep(key)
      const { rates, limiters } = createRates({ limits: limitsSchema.parse({}), pseudonyms })
      const share = createRateSharing({ limiters, store, clock })
      const returning = createReturning({ store, pseudonyms, clock })
      const takeAll = (times: number, whose = 'ada') =>
        Array.from({ length: times }, () => rates.authorizations_per_address.take(whose, now)).filter(
          (wait) => wait === 0,
        ).length
      return { store, rates, share, returning, takeAll }
    }

    test('what one let through, another counts within a second', async () => {
      const [one, two] = [newProcess(0), newProcess(1)]
      expect(one.takeAll(100)).toBe(100)
      await one.share()
      await two.share()
      expect(two.takeAll(120)).toBe(20)
      // What was in neither's sight is paid back: the second that comes in is not for both.
      await two.share()
      await one.share()
      expect(one.takeAll(10)).toBe(0)
      now += 30
      expect([one.takeAll(100), two.rates.authorizations_per_address.wait('bob', now)]).toEqual([60, 0])
    })

    test('three that are flooded at once let no more through in the end than one', async () => {
      const processes = [newProcess(0), newProcess(1), newProcess(2)]
      let through = 0
      for (let second = 0; second < 120; second++) {
        for (const { takeAll } of processes) through += takeAll(20)
        await Promise.all(processes.map(({ share }) => share()))
        await Promise.all(processes.map(({ share }) => share()))
        now += 1
      }
      // A limit, what comes back in two minutes, and what three let in before they knew of each other.
      expect(through).toBeLessThanOrEqual(120 + 240 + 3 * 20)
      expect(through).toBeGreaterThan(300)
    })

    test('of who asks little nothing is written, and of others no address', async () => {
      const { store, share, takeAll } = newProcess(0)
      takeAll(12, '192.0.2.1')
      await share()
      expect(await store.rateLevels.changedSince(now, now, 10)).toEqual([])
      takeAll(1, '192.0.2.1')
      await share()
      const [level] = await store.rateLevels.changedSince(now, now, 10)
      expect(level).toMatchObject({ rate: 'authorizations_per_address', fullAtMicros: (now + 6.5) * 1e6 })
      expect(JSON.stringify(level)).not.toContain('192.0.2')
      takeAll(1, '192.0.2.1')
      await share()
      expect(await store.rateLevels.changedSince(now, now, 10)).toMatchObject([
        { fullAtMicros: (now + 7) * 1e6 },
      ])
    })

    test('levels add up, fill on the way, and no debt is longer than it may be', async () => {
      const { store } = newProcess(0)
      const keyHash = `levels ${now}`
      const level = async (later: number, seconds: number) => {
        const at = now + later
        const fullAtMicros = (at + seconds) * 1e6
        const added = [{ keyHash, rate: 'x', fullAtMicros, takenMicros: seconds * 1e6 }]
        const levels = await store.rateLevels.add(added, { now: at, most: 120 })
        return levels.map((each) => each.fullAtMicros / 1e6 - at)
      }
      expect(await level(0, 10)).toEqual([10])
      expect(await level(4, 10)).toEqual([16])
      expect(await level(100, 1)).toEqual([1])
      expect(await level(100, 500)).toEqual([120])
    })

    test.each([60, 86_400, 400 * 86_400])(
      'a clock that was %i seconds ahead for a while locks nobody out, nor does one that is as far behind',
      async (far) => {
        const [right, wrong] = [newProcess(0), newProcess(1)]
        now += far
        expect(wrong.takeAll(100)).toBe(100)
        wrong.returning.note('192.0.2.1', 'mallory')
        await wrong.share()
        await wrong.returning.share()
        now -= far
        await right.share()
        await right.returning.share()
        expect(right.returning.lastAt('192.0.2.1')).toBeUndefined()
        expect(right.takeAll(50)).toBe(50)
        for (let round = 0; round < 3; round++) await right.share()
        // What is written there is no more than what was taken by the clocks that are right.
        expect(right.takeAll(80)).toBe(70)
        const behind = newProcess(2)
        await right.share()
        now -= far
        await behind.share()
        expect(behind.takeAll(50)).toBe(50)
        await behind.share()
        expect(behind.takeAll(80)).toBe(70)
        now += far
      },
    )

    test('two that add to the same ones in another order do not wait for each other', async () => {
      const many = Array.from({ length: 450 }, (_, index) => ({
        keyHash: `k${index}`,
        rate: 'x',
        fullAtMicros: now * 1e6 + 1,
        takenMicros: 1,
      }))
      const [one, two] = [newProcess(0).store, newProcess(1).store]
      const at = { now, most: 120 }
      for (let round = 0; round < 5; round++) {
        const both = [one.rateLevels.add(many, at), two.rateLevels.add(many.toReversed(), at)]
        await Promise.all(both)
      }
      const again = await one.rateLevels.add(many, at)
      expect(new Set(again.map(({ fullAtMicros }) => fullAtMicros - now * 1e6))).toEqual(new Set([11]))
    })

    test('who signs in from ever new addresses leaves few of them, and what others left', async () => {
      const [one, two] = [newProcess(0), newProcess(1)]
      one.returning.note('192.0.2.1', 'ada')
      for (let network = 0; network < 1_100; network++)
        one.returning.note(`2001:db8:0:${network}::/64`, 'mallory')
      // Where they were before they may come back to.
      for (let time = 0; time < 20; time++) one.returning.note('192.0.2.1', 'ada')
      one.returning.note('192.0.2.2', 'ada')
      await one.returning.share()
      const mallory = one.returning.pseudonymOf('mallory')
      const places = await one.store.signInPlaces.since(now, now, 2_000)
      expect(places.filter(({ subjectHash }) => subjectHash === mallory)).toHaveLength(10)
      await two.returning.share()
      const ada = two.returning.pseudonymOf('ada')
      expect(['192.0.2.1', '192.0.2.2'].map(two.returning.lastAt)).toEqual([ada, ada])
    })

    test('who signed in at one is kept a place at the others, and after a restart', async () => {
      const [one, two] = [newProcess(0), newProcess(1)]
      one.returning.note('192.0.2.1', 'ada')
      await one.returning.share()
      await two.returning.share()
      expect(two.returning.lastAt('192.0.2.1')).toBe(two.returning.pseudonymOf('ada'))
      expect(two.returning.lastAt('192.0.2.2')).toBeUndefined()
      now += 2
      two.returning.note('192.0.2.1', 'bob')
      await two.returning.share()
      await one.returning.share()
      expect(one.returning.lastAt('192.0.2.1')).toBe(one.returning.pseudonymOf('bob'))
      now += 6 * 86_400
      const anew = newProcess(2)
      await anew.returning.share()
      expect(anew.returning.lastAt('192.0.2.1')).toBe(anew.returning.pseudonymOf('bob'))
      now += 86_400
      expect(anew.returning.lastAt('192.0.2.1')).toBeUndefined()
    })
  })
}
