import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import type { Grant } from '../../src/storage/grants.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import { sweep, sweepDefaults } from '../../src/storage/sweep.ts'
import { connection } from '../support/admin-rows.ts'
import type { Backend } from './contract.ts'
import { client, grant, resource, subject } from './rows.ts'

const day = 86_400
const now = 1_900_000_000

/** Grants that were exchanged from others: how they are found, and what ends with what. */
export function exchangeContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: exchanged grants`, () => {
    let database: Database
    let store: Store

    const event = () => auditEvent(now, { event: 'token.exchanged', actor: 'resource:one' })
    const made = (id: string, parentId: string | null, row: Partial<Grant> = {}) =>
      grant(id, {
        parentId,
        resourceId: 'notes',
        expiresAt: now + 3600,
        accessEndsAt: now + 3600,
        lastUsedAt: now - 10,
        ...row,
      })

    beforeEach(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables, batch } = database
      store = createStore(db, tables, batch)
      await db
        .insert(tables.subjects)
        .values([subject('ada'), subject('bob')])
        .returning()
      await db
        .insert(tables.clients)
        .values([client('editor'), client('other')])
        .returning()
      await db
        .insert(tables.resources)
        .values([resource('notes'), resource('mail')])
        .returning()
      const rows = [
        made('root', null),
        made('a', 'root'),
        made('b', 'a'),
        made('c', 'b'),
        made('aside', 'root'),
      ]
      for (const row of [...rows, made('stranger', null)]) {
        await db.insert(tables.grants).values(row).returning()
      }
    })
    afterEach(() => database.close())

    const get = async (id: string): Promise<Grant> => {
      const found = await store.grants.find(id)
      if (!found) throw new Error(`no grant ${id}`)
      return found
    }
    const lineage = async (id: string) =>
      (await store.exchangedGrants.listAncestors(await get(id))).map((each) => each.id)

    async function live(): Promise<string[]> {
      const { rows } = await store.grants.list({}, { now, state: 'live' }, { limit: 100 })
      return rows.map(({ id }) => id).sort()
    }

    async function exchange(id: string, parent: string, keep = 100, at = now) {
      const from = await get(parent)
      const ancestors = await store.exchangedGrants.listAncestors(from)
      const row = made(id, parent, { createdAt: at, lastUsedAt: at })
      return await store.exchangedGrants.create(row, [from, ...ancestors], keep, at, event())
    }

    test('are read with all they came from, the nearest first', async () => {
      expect(await lineage('c')).toEqual(['b', 'a', 'root'])
      expect(await lineage('a')).toEqual(['root'])
      expect(await lineage('root')).toEqual([])
    })

    test('are written while what they are exchanged from is live, and noted there', async () => {
      expect(await exchange('d', 'root')).toMatchObject({ id: 'd', parentId: 'root' })
      expect(await get('root')).toMatchObject({ lastUsedAt: now })
      const { rows } = await store.auditEvents.list({ event: 'token.exchanged' }, { limit: 10 })
      expect(rows).toHaveLength(1)
      await store.grants.revoke('root', 'for_a_test', now, event())
      expect(await exchange('e', 'root')).toBeUndefined()
      expect(await exchange('f', 'aside')).toBeUndefined()
      expect(await store.grants.find('e')).toBeUndefined()
      expect(await exchange('g', 'stranger', 100, now + 3600)).toBeUndefined()
    })

    test('end with what they came from, for the same reason, and are counted', async () => {
      expect(await store.grants.revoke('a', 'for_a_test', now, event())).toBe(3)
      expect(await live()).toEqual(['aside', 'root', 'stranger'])
      expect(await get('c')).toMatchObject({ revokedAt: now, revokedReason: 'for_a_test' })
      expect(await store.grants.revoke('a', 'for_a_test', now, event())).toBe(0)
      const whose = { subjectId: 'ada', clientId: 'editor', resourceId: 'notes' }
      expect(await store.grants.endAll(whose, 'for_a_test', now, event())).toBe(3)
      expect(await live()).toEqual([])
    })

    test('that are elsewhere end with a subject’s access to where they came from', async () => {
      const { db, tables } = database
      await db
        .insert(tables.grants)
        .values(made('there', 'root', { resourceId: 'mail' }))
        .returning()
      const whose = { subjectId: 'ada', resourceId: 'notes' }
      expect(await store.grants.endAll(whose, 'for_a_test', now, event())).toBe(7)
      expect(await live()).toEqual([])
    })

    test('end with a connection that what they came from draws on, and with a resource', async () => {
      const { db, tables } = database
      await db
        .insert(tables.connections)
        .values(connection('con', { subjectId: 'ada' }))
        .returning()
      const drawn = { grantId: 'root', connectionId: 'con', provider: 'any' }
      await db.insert(tables.grantConnections).values(drawn).returning()
      expect(await store.removals.connection('con', now, event())).toMatchObject({ tokenSessionsEnded: 5 })
      expect(await live()).toEqual(['stranger'])
      await db
        .insert(tables.grants)
        .values(made('there', 'stranger', { resourceId: 'mail' }))
        .returning()
      expect(await store.removals.resource('notes', now, event())).toMatchObject({ tokenSessionsEnded: 2 })
      expect(await live()).toEqual([])
    })

    test('are never more than are kept; the longest idle go, with what came from them, and no ancestor', async () => {
      await exchange('new', 'b', 3)
      // Of the two that may stay beside its ancestors' line none is left: `c` and `aside` were as long idle.
      expect(await live()).toEqual(['a', 'b', 'new', 'root', 'stranger'])
      await exchange('young', 'root', 3, now + 1)
      expect(await live()).toEqual(['a', 'b', 'root', 'stranger', 'young'].sort())
      expect(await get('new')).toMatchObject({ revokedReason: 'too_many_exchanged' })
    })

    test('do not count as sessions people gave, nor are those taken for them', async () => {
      const { db, tables } = database
      const there = { resourceId: 'mail' }
      for (const row of [
        made('given-1', null, there),
        made('given-2', null, { ...there, accessEndsAt: null }),
        made('given-3', null, { ...there, clientId: 'other' }),
        made('given-4', null, { ...there, subjectId: 'bob' }),
        made('given-5', null, { ...there, revokedAt: now - 1 }),
        made('given-6', null, { ...there, expiresAt: now }),
        made('given-7', 'root', there),
      ]) {
        await db.insert(tables.grants).values(row).returning()
      }
      const wish = { subjectId: 'ada', clientId: 'editor', resourceId: 'mail' }
      expect((await store.exchangedGrants.findGiven(wish, now))?.id).toBe('given-1')
      const { rows } = await store.grants.list(
        { ...wish, parentId: null },
        { now, state: 'live' },
        { limit: 10 },
      )
      expect(rows.map(({ id }) => id)).toEqual(['given-1'])
      const { rows: all } = await store.grants.list(
        { parentId: 'root' },
        { now, state: 'live' },
        { limit: 10 },
      )
      expect(all.map(({ id }) => id).sort()).toEqual(['a', 'aside', 'given-7'])
    })

    test('release nothing once what they draw on was revoked', async () => {
      const use = { id: 'con', lastUsedAt: now }
      const ids = { id: 'aside', drawnOn: 'stranger' }
      expect(await store.grants.recordRelease(ids, use, now, event())).toBe(true)
      await store.grants.revoke('stranger', 'for_a_test', now, event())
      expect(await store.grants.recordRelease(ids, use, now, event())).toBe(false)
    })

    test('are swept a day after their end, those people gave a month after', async () => {
      const { db, tables } = database
      const sweepAt = async (at: number) =>
        (await sweep(database, { now: at, believed: at }, sweepDefaults)).exchangedGrants
      expect(await sweepAt(now + 3600 + day - 1)).toBe(0)
      expect(await sweepAt(now + 3600 + day)).toBeGreaterThan(0)
      expect((await db.select().from(tables.grants)).map(({ id }) => id).sort()).toEqual(['root', 'stranger'])
    })
  })
}
