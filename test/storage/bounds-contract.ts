import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'
import { client, grant, interaction, subject } from './rows.ts'

const now = 1_900_000_000

/** What is counted before one more is let in, and who makes room. */
export function boundsContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: the bounds`, () => {
    let database: Database
    let store: Store
    beforeAll(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables, batch } = database
      store = createStore(db, tables, batch)
      await db.insert(tables.subjects).values(subject('ada')).returning()
    })
    afterAll(() => database.close())

    const stored = async () => (await store.clients.list({}, { limit: 100 })).rows.map(({ id }) => id).sort()

    test('the oldest unused registrations make room, and none that is somebody’s', async () => {
      const { db, tables } = database
      const bound = { origin: 'dynamic', limit: 3, protectedSince: now - 100 } as const
      expect(await store.unusedClients.makeRoom(bound, now)).toEqual({ outcome: 'there is', left: 2 })
      await db
        .insert(tables.clients)
        .values([
          client('agreed', { createdAt: now - 900 }),
          client('granted', { createdAt: now - 800 }),
          client('agreed-long-ago', { createdAt: now - 2_000 }),
          client('granted-long-ago', { createdAt: now - 2_000 }),
          client('expired', { createdAt: now - 790, expiresAt: now }),
          client('invited', { createdAt: now - 700, invited: true }),
          client('used', { createdAt: now - 600, lastUsedAt: now - 500 }),
          client('https://client.test/document', { createdAt: now - 500, origin: 'document' }),
          client('disabled', { createdAt: now - 450, enabled: false }),
          client('busy', { createdAt: now - 400 }),
          client('old', { createdAt: now - 300 }),
          client('older', { createdAt: now - 310 }),
          client('young', { createdAt: now - 99 }),
        ])
        .returning()
      const yes = (clientId: string, grantedAt: number) => ({
        subjectId: 'ada',
        clientId,
        redirectUri: 'http://127.0.0.1/callback',
        resourceId: '',
        scopes: [],
        providerScopes: {},
        shownHash: '',
        grantedAt,
      })
      await db
        .insert(tables.consents)
        .values([yes('agreed', now - 899), yes('agreed-long-ago', now - 900)])
        .returning()
      await db
        .insert(tables.grants)
        .values([
          grant('one', { clientId: 'granted', createdAt: now - 899 }),
          grant('two', { clientId: 'granted-long-ago', createdAt: now - 900 }),
        ])
        .returning()
      await db
        .insert(tables.interactions)
        .values([
          interaction('live', { clientId: 'busy', expiresAt: now + 1 }),
          interaction('over', { clientId: 'old', expiresAt: now }),
          interaction('done', { clientId: 'older', expiresAt: now + 9, completedAt: now }),
        ])
        .returning()
      // Ten of three: those that may go go at once, the oldest first.
      expect(await store.unusedClients.makeRoom(bound, now)).toEqual({ outcome: 'there is', left: 0 })
      const kept = [
        'agreed',
        'busy',
        'disabled',
        'granted',
        'https://client.test/document',
        'invited',
        'used',
        'young',
      ]
      expect(await stored()).toEqual(kept)
      expect(await store.unusedClients.makeRoom(bound, now)).toEqual({
        outcome: 'none',
        oldestProtected: now - 99,
      })
      expect(await stored()).toEqual(kept)
      expect(await store.unusedClients.makeRoom({ ...bound, origin: 'document' }, now)).toEqual({
        outcome: 'there is',
        left: 1,
      })
    })

    test('what is under way is counted, of one client and of all', async () => {
      const { db, tables } = database
      await db
        .insert(tables.clients)
        .values([client('counted'), client('beside')])
        .returning()
      const before = await store.interactions.countUnderWay('counted', now)
      expect(before.ofClient).toBe(0)
      await db
        .insert(tables.interactions)
        .values([
          interaction('a', { clientId: 'counted', expiresAt: now + 20 }),
          interaction('b', { clientId: 'counted', expiresAt: now + 10 }),
          interaction('c', { clientId: 'beside', expiresAt: now + 1 }),
          interaction('d', { clientId: 'counted', expiresAt: now }),
          interaction('e', { clientId: 'counted', expiresAt: now + 5, completedAt: now }),
        ])
        .returning()
      expect(await store.interactions.countUnderWay('counted', now)).toEqual({
        all: before.all + 3,
        ofClient: 2,
        nextEnds: now + 1,
        nextOfClientEnds: now + 10,
      })
    })
  })
}
