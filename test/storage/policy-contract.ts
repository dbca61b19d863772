import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import type { Draw } from '../../src/storage/quotas.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'
import { client, subject } from './rows.ts'

const now = 1_900_000_000

/** What two calls at once may not both have. */
export function policyContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: quotas and sign-ins for one call`, () => {
    let database: Database
    let store: Store
    beforeAll(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables, batch } = database
      store = createStore(db, tables, batch)
      const document = { name: 'Tracker', scopes: {}, default_scopes: [], providers: [] }
      await db.insert(tables.subjects).values(subject('ada')).returning()
      await db.insert(tables.clients).values(client('editor')).returning()
      await db
        .insert(tables.resources)
        .values({
          id: 'tracker',
          uri: 'https://tracker.test/mcp',
          document,
          origin: 'admin',
          enabled: true,
          createdAt: now,
          updatedAt: now,
        })
        .returning()
      const quota = { per: 'subject', limit: 1, window: 'minute' } as const
      for (const id of ['minute', 'day']) {
        await db
          .insert(tables.quotas)
          .values({ id, resourceId: 'tracker', document: quota, createdAt: now })
          .returning()
      }
    })
    afterAll(() => database.close())

    const draw = (quotaId: string, key: string, limit: number): Draw => ({
      id: `${quotaId}:${key}`,
      quotaId,
      limit,
      endsAt: now + 60,
    })

    test('a hundred calls at once get exactly what a quota has', async () => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => store.quotas.draw([draw('minute', 'flood', 7)])),
      )
      expect(answers.filter((drawn) => drawn)).toHaveLength(7)
    })

    test('a call that one quota refuses is counted by none', async () => {
      const draws = [draw('minute', 'narrow', 2), draw('day', 'wide', 5)]
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          store.quotas.draw(index % 2 === 0 ? draws : draws.toReversed()),
        ),
      )
      expect(answers.filter((drawn) => drawn)).toHaveLength(2)
      expect(await store.quotas.used(['minute:narrow', 'day:wide'])).toEqual(
        new Map([
          ['minute:narrow', 2],
          ['day:wide', 2],
        ]),
      )
    })

    test('what was given back can be had again', async () => {
      const one = [draw('minute', 'returned', 1)]
      expect(await store.quotas.draw(one)).toBe(true)
      await store.quotas.giveBack(['minute:returned'])
      expect(await store.quotas.draw(one)).toBe(true)
      expect(await store.quotas.draw(one)).toBe(false)
    })

    test('a sign-in made for one call is good for that call, once', async () => {
      const call = {
        subjectId: 'ada',
        clientId: 'editor',
        resourceId: 'tracker',
        tool: 't',
        argumentsHash: 'x',
      }
      const asked = { ...call, rule: { max_age: 0 }, createdAt: now, expiresAt: now + 300, usedAt: null }
      await store.stepUps.create({ ...asked, id: 'su_open', authTime: null })
      expect(await store.stepUps.consume(call, now)).toBeUndefined()
      await store.stepUps.create({ ...asked, id: 'su_made', authTime: now })
      expect(await store.stepUps.consume({ ...call, argumentsHash: 'y' }, now)).toBeUndefined()
      expect(await store.stepUps.consume({ ...call, tool: 'u' }, now)).toBeUndefined()
      const uses = await Promise.all(Array.from({ length: 20 }, () => store.stepUps.consume(call, now)))
      expect(uses.filter((used) => used)).toHaveLength(1)
    })
  })
}
