import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'
import { client, connection, grant, interaction, subject } from './rows.ts'

/** Which sites a connection opens, and which one a session draws on it for. */
export function sitesContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: sites`, () => {
    const sites = { list: [{ id: 'acme', name: 'Acme', url: 'https://acme.test' }], since: 1, seenAt: 2 }
    const saved = () => auditEvent(1, { event: 'connection.saved', actor: 'gateway' })
    let database: Database
    let store: Store

    beforeAll(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables, batch } = database
      store = createStore(db, tables, batch)
      await db.insert(tables.subjects).values(subject('ada')).returning()
      await db.insert(tables.clients).values(client('editor')).returning()
      await db
        .insert(tables.grants)
        .values([grant('one', { createdAt: 1 }), grant('two', { createdAt: 2 })])
        .returning()
    })
    afterAll(() => database.close())

    const sitesOf = async (id: string) => (await store.connections.find(id))?.sites

    test('stay where a reconnection brings no list, and go where it brings another', async () => {
      await store.connections.save(connection('con', { sites }), 'drop', saved())
      await store.connections.save(connection('con', { refreshedAt: 5 }), 'drop', saved())
      expect(await sitesOf('con')).toEqual(sites)
      const others = { list: [], since: 9, seenAt: 9 }
      await store.connections.save(connection('con', { sites: others }), 'drop', saved())
      expect(await sitesOf('con')).toEqual(others)
    })

    test('are noted without a new version, and never at a connection that took the place of another', async () => {
      const before = await store.connections.save(connection('noted'), 'drop', saved())
      await store.connections.noteSites(before, sites)
      expect(await store.connections.find('noted')).toEqual({ ...before, sites })
      await store.connections.noteSites({ ...before, createdAt: 7 }, { ...sites, list: [] })
      expect(await sitesOf('noted')).toEqual(sites)
    })

    test('are pinned where nobody said which, each session for itself, and said anew over a link', async () => {
      await store.connections.save(connection('shared'), 'drop', saved())
      const link = (grantId: string, siteId: string | null) =>
        ({ grantId, connectionId: 'shared', provider: 'forge', siteId }) as const
      const { db, tables } = database
      await db
        .insert(tables.grantConnections)
        .values([link('one', null), link('two', null)])
        .returning()
      await store.connections.pinSite('one', 'shared', 'acme')
      await store.connections.pinSite('one', 'shared', 'umbrella')
      const pins = async () => await store.connections.listPins(['one', 'two'])
      expect(await pins()).toEqual([{ grantId: 'one', provider: 'forge', siteId: 'acme' }])
      await db.insert(tables.interactions).values(interaction('over')).returning()
      const made = { added: link('one', 'umbrella'), replaced: [], ticketHash: '' }
      const completed = auditEvent(1, { event: 'connect_link.completed', actor: 'gateway' })
      await store.completions.withConnection(interaction('over'), made, 1, completed)
      expect(await pins()).toEqual([{ grantId: 'one', provider: 'forge', siteId: 'umbrella' }])
      const uses = await store.connections.listUses('ada', 1)
      expect(uses.map(({ grantId, siteId }) => [grantId, siteId])).toEqual([
        ['two', null],
        ['one', 'umbrella'],
      ])
      expect(await store.connections.listForGrant('one')).toMatchObject([{ siteId: 'umbrella' }])
    })
  })
}
