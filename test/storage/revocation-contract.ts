import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import type { ProviderRow } from '../../src/storage/providers.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'
import { intent, refreshed } from './refresh-contract.ts'
import { connection, subject } from './rows.ts'

const now = 1_900_000_000
const event = () => auditEvent(now, { event: 'connection.saved', actor: 'gateway' })

/** What is queued for providers when tokens go, and who gets to carry it out. */
export function revocationContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: what providers have yet to be told`, () => {
    let database: Database
    let store: Store
    let forge: ProviderRow
    let made = 0
    beforeAll(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables, batch } = database
      store = createStore(db, tables, batch)
      await db.insert(tables.subjects).values(subject('ada')).returning()
    })
    beforeEach(async () => {
      const { db, tables } = database
      await db.delete(tables.upstreamRevocations).returning()
      await db.delete(tables.connections).returning()
      await db.delete(tables.providers).returning()
      const row = {
        id: 'forge',
        document: {
          descriptor: 'github',
          variables: { web: 'https://forge.test' },
          admit: 'anyone' as const,
        },
        clientId: 'client',
        sealedClientSecret: 'sealed secret',
        origin: 'admin' as const,
        enabled: true,
        createdAt: now,
        updatedAt: now,
      }
      forge = await store.providers.save(row, event())
    })
    afterAll(() => database.close())

    const row = (more: Partial<ReturnType<typeof connection>> = {}) => {
      const { version: _, ...made_ } = connection(`con_${++made}`)
      const tokens = {
        sealedAccessToken: 'access 1',
        sealedRefreshToken: 'refresh 1',
        status: 'live' as const,
      }
      return { ...made_, provider: 'forge', upstreamClientId: 'client', ...tokens, ...more }
    }
    const waiting = async () => (await store.upstreamRevocations.list({}, { limit: 100 })).rows
    const discard = async (id: string) =>
      await store.upstreamRevocations.create({
        id,
        cause: id,
        extent: 'token',
        subjectId: null,
        provider: 'forge',
        issuer: null,
        upstreamSubject: null,
        tokenEndpoint: 'https://forge.test/token',
        upstreamClientId: 'client',
        sealedAccessToken: 'sealed',
        sealedRefreshToken: null,
        nextAt: now,
        createdAt: now,
      })

    test('tokens that others replace are queued as they were, with an answer that nobody read', async () => {
      const first = row()
      const saved = await store.connections.save(first, 'drop', event(), 'revoked')
      expect(saved.version).toBe(1)
      expect(await waiting()).toEqual([])
      const lease = await store.refreshLeases.take(
        first.id,
        undefined,
        intent('dead', { expiresAt: now }),
        now,
      )
      if (!lease) throw new Error('no lease')
      await store.refreshLeases.keepAnswer(lease, 'sealed answer', now)
      const again = { ...first, sealedAccessToken: 'access 2', sealedRefreshToken: null }
      expect(await store.connections.save(again, 'drop', event(), 'revoked')).toMatchObject({
        version: 2,
        sealedAccessToken: 'access 2',
        sealedRefreshToken: null,
      })
      expect(await waiting()).toMatchObject([
        {
          connectionId: first.id,
          extent: 'token',
          sealedAccessToken: 'access 1',
          sealedRefreshToken: 'refresh 1',
          sealedAnswer: 'sealed answer',
          document: forge.document,
          sealedClientSecret: 'sealed secret',
          trouble: null,
          attempts: 0,
          nextAt: first.refreshedAt,
        },
      ])
    })

    test('nothing is queued where the refresh token goes on, or nobody wants it', async () => {
      const first = row()
      await store.connections.save(first, 'keep', event(), 'revoked')
      const again = { ...first, sealedAccessToken: 'access 2', sealedRefreshToken: null }
      const kept = await store.connections.save(again, 'keep', event(), 'revoked')
      expect(kept.sealedRefreshToken).toBe('refresh 1')
      await store.connections.save({ ...first, sealedAccessToken: 'access 3' }, 'keep', event())
      expect(await waiting()).toEqual([])
    })

    test('what somebody is about to exchange waits until they are done', async () => {
      const first = row()
      await store.connections.save(first, 'drop', event(), 'revoked')
      await store.refreshLeases.take(first.id, undefined, intent('busy', { expiresAt: now + 40 }), now)
      await store.connections.save({ ...first, refreshedAt: now }, 'drop', event(), 'revoked')
      expect(await waiting()).toMatchObject([{ nextAt: now + 40 }])
    })

    test('of a provider that moves what is alive is queued with the provider as it was', async () => {
      const live = row()
      await store.connections.save(live, 'drop', event())
      await store.connections.save(row({ status: 'needs_reauthorization' }), 'drop', event())
      const { version: _, ...moved } = forge
      const replaced = await store.providers.replace(
        forge,
        { ...moved, clientId: 'another', sealedClientSecret: 'another secret' },
        event(),
        { reason: 'provider_changed', at: now },
      )
      expect(replaced).toMatchObject({ row: { clientId: 'another', version: 2 }, connectionsEnded: 1 })
      expect(await waiting()).toMatchObject([
        {
          connectionId: live.id,
          upstreamClientId: 'client',
          document: forge.document,
          sealedClientSecret: 'sealed secret',
        },
      ])
      expect(await store.providers.replace(forge, moved, event())).toBeUndefined()
      // Once they were queued, a person who connects again queues nothing more.
      await store.connections.save({ ...live, sealedAccessToken: 'access 2' }, 'drop', event(), 'revoked')
      expect(await waiting()).toHaveLength(1)
    })

    test('what was never kept is queued with its provider, or without where that is another one', async () => {
      await discard('rev_1')
      const { version: _, ...moved } = forge
      await store.providers.replace(forge, { ...moved, clientId: 'another' }, event())
      await discard('rev_2')
      expect(await waiting()).toMatchObject([
        { id: 'rev_2', document: null, sealedClientSecret: null },
        { id: 'rev_1', document: forge.document, sealedClientSecret: 'sealed secret' },
      ])
    })

    test('however many look at once, each is taken by one, and only that one says what came of it', async () => {
      for (let each = 0; each < 20; each++) await discard(`rev_${each}`)
      const { take, keepAnswer, postpone, finish } = store.upstreamRevocations
      const taken = await Promise.all(Array.from({ length: 8 }, () => take({}, 5, now)))
      // Those that find the same rows on PostgreSQL leave others for the next look.
      do taken.push(await take({}, 5, now))
      while (taken.at(-1)?.length)
      expect(taken.flat().map(({ id }) => id)).toHaveLength(20)
      expect(new Set(taken.flat().map(({ id }) => id)).size).toBe(20)
      const [first] = taken.flat()
      const [later] = await take({ cause: first?.cause ?? '' }, 1, now + 60)
      if (!first || !later) throw new Error('nothing was taken')
      await keepAnswer(first, 'of whoever was overtaken')
      await postpone(first, now, { kind: 'transient', code: 'unreachable' })
      expect((await waiting()).find(({ id }) => id === first.id)).toEqual(later)
      expect(await finish(later, undefined)).toBe(true)
      expect(await finish(first, refreshed())).toBe(false)
    })
  })
}
