import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { connectionEnds, type RefreshLife } from '../../src/storage/connection-ends.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import type { Tables } from '../../src/storage/schema.ts'
import { createStore } from '../../src/storage/store.ts'
import { connection } from '../support/admin-rows.ts'
import type { Backend } from './contract.ts'
import { client, grant, resource, subject } from './rows.ts'

const day = 86_400
const now = 1_900_000_000

/** Which connections are found to be idle or near their end. */
export function connectionEndsContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: the ends of connections`, () => {
    let database: Database
    let names = 0

    beforeAll(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables } = database
      await db
        .insert(tables.subjects)
        .values([subject('ada'), { ...subject('barred'), enabled: false }])
        .returning()
      await db
        .insert(tables.clients)
        .values([client('editor'), client('off', { enabled: false })])
        .returning()
      await db
        .insert(tables.resources)
        .values([resource('notes'), resource('closed', { enabled: false })])
        .returning()
    })
    afterAll(() => database.close())

    type Row = Tables['connections']['$inferSelect']

    async function save(row: Partial<Row>, session?: Partial<Tables['grants']['$inferSelect']>) {
      const { db, tables } = database
      const id = `con_${String(++names).padStart(3, '0')}`
      const { subjectId = 'ada' } = session ?? {}
      await db
        .insert(tables.connections)
        .values(connection(id, { subjectId, createdAt: 0, authorizedAt: 0, refreshedAt: 0, ...row }))
        .returning()
      if (!session) return id
      await db
        .insert(tables.grants)
        .values(grant(id, { resourceId: 'notes', expiresAt: now + day, ...session }))
        .returning()
      await db
        .insert(tables.grantConnections)
        .values({ grantId: id, connectionId: id, provider: 'any' })
        .returning()
      return id
    }

    const ends = () => connectionEnds(database.db, database.tables)
    const idle = async (provider: string, life: RefreshLife, page = { limit: 50 }) => {
      const of = { provider, clientId: 'coatcheck-at-forge', life }
      return (await ends().listIdle(of, now, page)).map(({ id }) => id)
    }
    const moves = { idleLifetime: 100 * day, toldEnd: 'moves' } as const

    test('idle is what a live session wants and three fifths of whose time are over', async () => {
      const provider = 'forge'
      const old = { provider, refreshedAt: now - 60 * day }
      const first = await save(old, {})
      const second = await save({ ...old, refreshedAt: now - 400 * day }, {})
      // Not yet, dead, nothing to refresh with, of another client or provider.
      await save({ ...old, refreshedAt: now - 60 * day + 1 }, {})
      await save({ ...old, status: 'needs_reauthorization' }, {})
      await save({ ...old, sealedRefreshToken: null }, {})
      await save({ ...old, upstreamClientId: 'before' }, {})
      await save({ ...old, provider: 'other' }, {})
      // Wanted by nobody: no session, or one that ended, or one that does not stand.
      await save(old)
      await save(old, { expiresAt: now })
      await save(old, { revokedAt: now - 1 })
      await save(old, { subjectId: 'barred' })
      await save(old, { clientId: 'off' })
      await save(old, { resourceId: 'closed' })
      await save(old, { resourceId: null })
      expect(await idle(provider, moves)).toEqual([first, second])
      expect(await idle(provider, { toldEnd: 'moves' })).toEqual([])
      const { rows } = await createStore(database.db, database.tables, database.batch).connections.list(
        { provider },
        { limit: 50 },
      )
      expect(rows).toHaveLength(13)
    })

    test('the end a provider told with a refresh token counts, unless no refresh moves it', async () => {
      const provider = 'teller'
      const soon = await save({ provider, refreshedAt: now - 6 * day, refreshExpiresAt: now + 4 * day }, {})
      await save({ provider, refreshedAt: now - 6 * day, refreshExpiresAt: now + 4 * day + 9 }, {})
      const past = await save({ provider, refreshedAt: now - 70 * day, refreshExpiresAt: now - 1 }, {})
      const far = await save({ provider, refreshedAt: now - 70 * day, refreshExpiresAt: now + 99 * day }, {})
      expect(await idle(provider, moves)).toEqual([soon, past])
      expect(await idle(provider, { toldEnd: 'moves' })).toEqual([soon, past])
      expect(await idle(provider, { ...moves, toldEnd: 'stays' })).toEqual([past, far])
    })

    test('idle ones come in pages, by id', async () => {
      const provider = 'many'
      const ids: string[] = []
      for (let count = 0; count < 5; count++) ids.push(await save({ provider, refreshedAt: 1 }, {}))
      expect(await idle(provider, moves, { limit: 2 })).toEqual(ids.slice(0, 2))
      const page = { limit: 2, cursor: ids[1] ?? '' }
      expect(await idle(provider, moves, page)).toEqual(ids.slice(2, 4))
    })

    test('a new refresh token begins a new life, and one that is kept goes on with its own', async () => {
      const { connections } = createStore(database.db, database.tables, database.batch)
      const save = async (id: string, row: Partial<Row>, absent: 'keep' | 'drop') => {
        const { version: _, ...made } = connection(id, { subjectId: 'ada', ...row })
        const event = auditEvent(now, { event: 'connection.saved', actor: 'ada' })
        const saved = await connections.save(made, absent, event)
        return [saved.sealedRefreshToken, saved.refreshExpiresAt, saved.authorizedAt]
      }
      const first = { sealedRefreshToken: 'first', refreshExpiresAt: now + day, authorizedAt: now }
      const later = { sealedRefreshToken: null, refreshExpiresAt: null, authorizedAt: now + 9 }
      const second = { sealedRefreshToken: 'second', refreshExpiresAt: now + 2 * day, authorizedAt: now + 9 }
      const at = (id: string) => `con_saved_${id}`
      for (const id of ['kept', 'replaced', 'dropped', 'moved']) await save(at(id), first, 'keep')
      expect(await save(at('kept'), later, 'keep')).toEqual(['first', now + day, now])
      expect(await save(at('replaced'), second, 'keep')).toEqual(['second', now + 2 * day, now + 9])
      expect(await save(at('dropped'), later, 'drop')).toEqual([null, null, now + 9])
      const elsewhere = { ...later, upstreamClientId: 'another' }
      expect(await save(at('moved'), elsewhere, 'keep')).toEqual([null, null, now + 9])
    })

    test('what ends within a time, whatever is done, is counted and listed', async () => {
      const lives = new Map<string, RefreshLife>([
        ['yearly', { absoluteLifetime: 365 * day, toldEnd: 'moves' }],
        ['fixed', { absoluteLifetime: 365 * day, toldEnd: 'stays' }],
        ['endless', { idleLifetime: day, toldEnd: 'moves' }],
      ])
      const within = { after: now, before: now + 7 * day, lives }
      const authorizedAt = now - 360 * day
      const told = { refreshExpiresAt: now + 7 * day }
      const ending = [
        await save({ provider: 'yearly', authorizedAt }),
        await save({ provider: 'fixed', authorizedAt }),
        await save({ provider: 'fixed', authorizedAt, refreshExpiresAt: now + 99 * day }),
        await save({ provider: 'fixed', authorizedAt: now, ...told }),
        await save({ provider: 'bare', sealedRefreshToken: null, accessExpiresAt: now + 1 }),
      ]
      await save({ provider: 'yearly', authorizedAt: now, ...told })
      await save({ provider: 'yearly', authorizedAt: now - 365 * day })
      await save({ provider: 'fixed', authorizedAt: now, refreshExpiresAt: now + 7 * day + 1 })
      await save({ provider: 'fixed', authorizedAt, refreshExpiresAt: now })
      await save({ provider: 'endless', authorizedAt, ...told })
      await save({ provider: 'unknown', authorizedAt, ...told })
      await save({ provider: 'yearly', authorizedAt, status: 'needs_reauthorization' })
      await save({ provider: 'bare', sealedRefreshToken: null, accessExpiresAt: now })
      await save({ provider: 'bare', sealedRefreshToken: null, accessExpiresAt: null })

      expect(await ends().countEnding(within)).toEqual([
        { provider: 'bare', count: 1 },
        { provider: 'fixed', count: 3 },
        { provider: 'yearly', count: 1 },
      ])
      const { connections } = createStore(database.db, database.tables, database.batch)
      const listed = await connections.list({ ends: within }, { limit: 50 })
      expect(listed.rows.map(({ id }) => id)).toEqual(ending.reverse())
    })
  })
}
