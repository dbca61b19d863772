import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'

const name = 'sweep'

/** Whose turn it is, among processes that know of each other by the database alone. */
export function choresContract(title: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${title}: chores`, () => {
    let database: Database
    let chores: Store['chores']
    beforeAll(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables, batch } = database
      chores = createStore(db, tables, batch).chores
    })
    beforeEach(async () => void (await database.db.delete(database.tables.chores).returning()))
    afterAll(() => database.close())

    const seen = async () => (await chores.list()).find((row) => row.name === name)
    async function taken(holder = 'a') {
      const lease = await chores.take(name, await seen(), holder)
      if (!lease) throw new Error('it was not to be had')
      return lease
    }

    test('of many who want the first turn one gets it, and so it is with every later one', async () => {
      for (let fence = 1; fence <= 3; fence++) {
        const row = await seen()
        const all = Array.from({ length: 10 }, (_, index) => chores.take(name, row, `process ${index}`))
        expect((await Promise.all(all)).filter(Boolean)).toEqual([{ name, fence }])
      }
    })

    test('whoever saw it before a sign of life, or before it was given back, does not get it', async () => {
      const lease = await taken()
      const before = await seen()
      expect(await chores.renew(lease)).toBe(true)
      expect(await chores.take(name, before, 'b')).toBeUndefined()
      const renewed = await seen()
      await chores.release(lease, { doneAt: 7 })
      expect(await chores.take(name, renewed, 'b')).toBeUndefined()
      expect(await seen()).toMatchObject({ holder: null, doneAt: 7 })
      expect(await chores.take(name, await seen(), 'b')).toEqual({ name, fence: 2 })
    })

    test('whoever was taken over can neither renew nor give back, and says nothing of being done', async () => {
      const late = await taken('a')
      const lease = await taken('b')
      expect(await chores.renew(late)).toBe(false)
      await chores.release(late, { doneAt: 7 })
      expect(await seen()).toMatchObject({ holder: 'b', fence: 2, beats: 0, doneAt: null })
      expect(await chores.renew(lease)).toBe(true)
    })

    test('what was done stays known where a later turn came to nothing', async () => {
      await chores.release(await taken(), { doneAt: 7 })
      await chores.release(await taken(), {})
      expect(await seen()).toMatchObject({ holder: null, fence: 2, doneAt: 7 })
    })

    test('nobody renews what was given back', async () => {
      const lease = await taken()
      await chores.release(lease, {})
      expect(await chores.renew(lease)).toBe(false)
    })
  })
}
