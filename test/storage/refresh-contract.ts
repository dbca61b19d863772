import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import type { Connection } from '../../src/storage/connections.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import type { RefreshIntent, RefreshLease } from '../../src/storage/refresh-leases.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'
import { connection, subject } from './rows.ts'

const now = 1_900_000_000

export const intent = (holder: string, more: Partial<RefreshIntent> = {}): RefreshIntent => ({
  holder,
  version: 1,
  expiresAt: now + 20,
  sentAt: now,
  attempts: 1,
  ...more,
})

export const refreshed = () => auditEvent(now, { event: 'connection.refreshed', actor: 'gateway' })
const died = () => auditEvent(now, { event: 'connection.died', actor: 'gateway' })

/** Tokens as `holder` got them. */
export const tokensOf = (holder: string) => ({
  scopes: ['read'],
  sealedAccessToken: `access of ${holder}`,
  sealedRefreshToken: `refresh of ${holder}`,
  tokenType: 'bearer',
  accessExpiresAt: now + 3_600,
  accessLifetime: 3_600,
  refreshExpiresAt: null,
  refreshedAt: now,
})

/** What a lease on a connection gives whom, and what it takes from whoever has lost it. */
export function refreshContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: the lease on a connection`, () => {
    let database: Database
    let store: Store
    let made = 0
    beforeAll(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables, batch } = database
      store = createStore(db, tables, batch)
      await db.insert(tables.subjects).values(subject('ada')).returning()
    })
    afterAll(() => database.close())

    async function connect(id = `con_${++made}`): Promise<Connection> {
      const { version: _, ...row } = connection(id)
      const saved = auditEvent(now, { event: 'connection.saved', actor: 'gateway' })
      return await store.connections.save(row, 'keep', saved)
    }

    async function taken(
      id: string,
      holder: string,
      more: Partial<RefreshIntent> = {},
      at = now,
    ): Promise<RefreshLease> {
      const seen = await store.refreshLeases.find(id)
      const lease = await store.refreshLeases.take(id, seen, intent(holder, more), at)
      if (!lease) throw new Error(`${holder} did not get the lease`)
      return lease
    }

    const disconnect = async (id: string) => {
      const { db, tables } = database
      await db.delete(tables.connections).where(eq(tables.connections.id, id)).returning()
    }

    test('is got by one of many, when it is there and when it is not', async () => {
      const { id } = await connect()
      for (const round of [0, 1]) {
        const seen = await store.refreshLeases.find(id)
        const takers = Array.from({ length: 10 }, (_, index) =>
          store.refreshLeases.take(id, seen, intent(`taker ${round} ${index}`), now + round * 20),
        )
        const got = (await Promise.all(takers)).filter((lease) => lease !== undefined)
        expect(got).toHaveLength(1)
        expect(await store.refreshLeases.find(id)).toEqual(got[0])
        expect(got[0]?.fence).toBe(round + 1)
      }
    })

    test('is not got from whoever has it', async () => {
      const { id } = await connect()
      const lease = await taken(id, 'first')
      expect(await store.refreshLeases.take(id, lease, intent('second'), now + 19)).toBeUndefined()
      expect(await taken(id, 'first')).toMatchObject({ holder: 'first', fence: 2 })
    })

    test('writes nothing for whoever was overtaken', async () => {
      const read = await connect()
      const { id } = read
      const lost = await taken(id, 'first')
      const lease = await taken(id, 'second', { sentAt: now + 5, attempts: 2, expiresAt: now + 40 }, now + 20)
      const rest = { until: now + 99, trouble: { kind: 'transient', code: 'unreachable' } } as const
      expect(await store.refreshLeases.keepAnswer(lost, 'answer of first', now)).toBe(false)
      await store.refreshLeases.release(lost)
      await store.refreshLeases.postpone(lost, rest)
      expect(
        await store.connections.replaceTokens(read, lost, tokensOf('first'), refreshed()),
      ).toBeUndefined()
      expect(
        await store.connections.markDead(read, { reason: 'invalid_grant', at: now }, died(), lost),
      ).toBeUndefined()
      expect(await store.refreshLeases.find(id)).toEqual(lease)
      expect(await store.connections.find(id)).toEqual(read)
      const replaced = await store.connections.replaceTokens(read, lease, tokensOf('second'), refreshed())
      expect(replaced).toMatchObject({ version: 2, sealedRefreshToken: 'refresh of second' })
      expect(await store.refreshLeases.find(id)).toMatchObject({
        expiresAt: 0,
        sentAt: null,
        sealedAnswer: null,
      })
    })

    test('is not got by whoever saw it before its holder wrote an answer down', async () => {
      const { id } = await connect()
      const lease = await taken(id, 'slow')
      const seen = await store.refreshLeases.find(id)
      expect(await store.refreshLeases.keepAnswer(lease, 'answer of slow', now + 21)).toBe(true)
      expect(await store.refreshLeases.take(id, seen, intent('quick'), now + 21)).toBeUndefined()
      expect(await taken(id, 'quick', {}, now + 21)).toMatchObject({ sealedAnswer: 'answer of slow' })
    })

    test('is not got by whoever saw it before its holder came to an end', async () => {
      const read = await connect()
      const lease = await taken(read.id, 'slow')
      const seen = await store.refreshLeases.find(read.id)
      await store.connections.replaceTokens(read, lease, tokensOf('slow'), refreshed())
      expect(await store.refreshLeases.take(read.id, seen, intent('quick'), now + 21)).toBeUndefined()
    })

    test('is held on to by whoever waits for a provider that is slow, and says so', async () => {
      const { id } = await connect()
      const lease = await taken(id, 'slow')
      const rest = { until: now + 30, trouble: { kind: 'transient', code: 'deadline' } } as const
      await store.refreshLeases.renew(lease, rest)
      const seen = await store.refreshLeases.find(id)
      expect(seen).toMatchObject({
        expiresAt: now + 30,
        restUntil: now + 30,
        restReason: rest.trouble,
        fence: 1,
      })
      expect(await store.refreshLeases.take(id, lease, intent('quick'), now + 29)).toBeUndefined()
      expect(await store.refreshLeases.take(id, seen, intent('quick'), now + 29)).toBeUndefined()
      expect(await taken(id, 'quick', {}, now + 30)).toMatchObject({ holder: 'quick', restUntil: null })
      await store.refreshLeases.renew(lease, { ...rest, until: now + 90 })
      expect(await store.refreshLeases.find(id)).toMatchObject({ holder: 'quick', restUntil: null })
    })

    test('that was given back is not held on to, and keeps what nobody knew before it was taken', async () => {
      const { id } = await connect()
      const lease = await taken(id, 'first', { sentAt: now - 50, attempts: 2 })
      const rest = { until: now + 30, trouble: { kind: 'transient', code: 'status_502' } } as const
      await store.refreshLeases.release(lease, { rest, unknown: { sentAt: now - 50, attempts: 1 } })
      await store.refreshLeases.renew(lease, { ...rest, until: now + 90 })
      expect(await store.refreshLeases.find(id)).toMatchObject({
        expiresAt: 0,
        restUntil: now + 30,
        sentAt: now - 50,
        attempts: 1,
      })
    })

    test('rests with the tokens that were replaced although nobody can use what came with them', async () => {
      const read = await connect()
      const lease = await taken(read.id, 'first')
      const rest = { until: now + 30, trouble: { kind: 'config', code: 'unsupported_token_type' } } as const
      const kept = { sealedRefreshToken: 'refresh of first' }
      const replaced = await store.connections.replaceTokens(read, lease, kept, refreshed(), rest)
      expect(replaced).toEqual({ ...read, ...kept, version: read.version + 1 })
      expect(await store.refreshLeases.find(read.id)).toMatchObject({
        version: read.version + 1,
        restUntil: now + 30,
        sentAt: null,
      })
    })

    test('goes with its connection, and is not had of one that is gone', async () => {
      const { id } = await connect()
      const lease = await taken(id, 'first')
      await disconnect(id)
      expect(await store.refreshLeases.find(id)).toBeUndefined()
      expect(await store.refreshLeases.take(id, undefined, intent('second'), now)).toBeUndefined()
      expect(await store.refreshLeases.take(id, lease, intent('first'), now)).toBeUndefined()
      expect(await store.refreshLeases.keepAnswer(lease, 'answer', now)).toBe(false)
    })

    test('on a connection that was deleted is none on the one that was made after it', async () => {
      const before = await connect()
      const { id } = before
      const lost = await taken(id, 'first')
      await disconnect(id)
      const read = await connect(id)
      const lease = await taken(id, 'second')
      expect(await store.refreshLeases.keepAnswer(lost, 'answer of first', now)).toBe(false)
      expect(
        await store.connections.replaceTokens(before, lost, tokensOf('first'), refreshed()),
      ).toBeUndefined()
      expect(
        await store.connections.markDead(before, { reason: 'invalid_grant', at: now }, died(), lost),
      ).toBeUndefined()
      await store.refreshLeases.release(lost)
      expect(await store.refreshLeases.find(id)).toEqual(lease)
      expect(await store.connections.find(id)).toEqual(read)
    })

    test('a connection that was deleted and made again is not called dead for what it was', async () => {
      const before = await connect()
      await disconnect(before.id)
      const { version: _, ...row } = { ...connection(before.id), createdAt: before.createdAt + 1 }
      const read = await store.connections.save(row, 'keep', refreshed())
      const death = { reason: 'rejected_by_provider', at: now }
      expect(await store.connections.markDead(before, death, died())).toBeUndefined()
      expect(await store.connections.find(read.id)).toEqual(read)
    })
  })
}
