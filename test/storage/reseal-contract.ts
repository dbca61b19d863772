import { randomBytes } from 'node:crypto'
import { getTableColumns, getTableName } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { createTurns } from '../../src/chores/turns.ts'
import { countUse, type KeyUse, verifyAll } from '../../src/keys/inventory.ts'
import { createResealing } from '../../src/keys/reseal.ts'
import { createSealer, type MasterKey, masterKeyIdOf, type Sealer } from '../../src/lib/seal.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { checkMasterKeys, verifyMasterKeys, WrongMasterKey } from '../../src/storage/key-check.ts'
import { placeOf, sealedColumns } from '../../src/storage/sealed-values.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'
import { connection, interaction, subject } from './rows.ts'

const now = 1_900_000_000
const newKey = (id: string): MasterKey => ({ id, key: randomBytes(32) })
const [old, fresh] = [newKey('old'), newKey('fresh')]
const before = createSealer([old])
const both = createSealer([fresh, old])
const after = createSealer([fresh])

/** More than fit one batch. */
const many = 230
/** With two values each, and one or two in every other column. */
const all = 2 * many + 13

/** Sealed values of every column are wrapped by another master key, beside everything else that happens. */
export function resealContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: resealing`, () => {
    let url: string
    let databases: Database[]
    let stores: [Store, Store]
    const time = { now }
    let processes = 0
    /** A process that does nothing else; it dies where its signs of life stop. */
    const resealer = (store: Store, sealer: Sealer = both) => {
      const clock = () => time.now
      const resealing = createResealing({ store, sealer, clock, pause: async () => {} })
      const chore = { name: 'resealing', every: 1, isWanted: resealing.isWanted, work: resealing.goOn }
      const parts = { store, holder: `process ${++processes}`, clock, eachSecond: () => () => {} }
      const turns = createTurns(parts, [chore], (_, error) => {
        throw error
      })
      return {
        async runDue() {
          await turns.look()
          await turns.settle()
        },
      }
    }

    beforeAll(async () => {
      url = await backend.newUrl()
      databases = [await openDatabase(url), await openDatabase(url)]
      stores = databases.map(({ db, tables, batch }) => createStore(db, tables, batch)) as [Store, Store]
    })
    beforeEach(async () => {
      time.now = now
      for (const database of databases.slice(0, 1)) await fill(database, before)
    })
    afterAll(async () => {
      for (const database of databases) await database.close()
    })

    const request = async ([store]: [Store, Store] = stores) =>
      await store.reseals.request(
        { masterKeyId: 'fresh', requestedBy: 'admin:ada', requestedAt: time.now },
        auditEvent(time.now, { event: 'master_keys.reseal_requested', actor: 'admin:ada' }),
      )
    const totalOf = async (id: string) =>
      (await countUse({ store: stores[0] }, await both.currentPrefix())).get(id)?.total ?? 0

    test('every sealed column of the schema is one that resealing knows, or one no master key wraps', () => {
      const { tables } = databases[0] as Database
      const named = Object.values(tables).flatMap((table) =>
        Object.values(getTableColumns(table)).map(({ name }) => `${getTableName(table)}.${name}`),
      )
      const known = sealedColumns(tables).map(({ table, column }) => `${table}.${column}`)
      const notWrapped = ['refresh_tokens.sealed_successor', 'key_checks.sealed_check']
      expect(named.filter((name) => name.includes('.sealed_')).toSorted()).toEqual(
        [...known, ...notWrapped].toSorted(),
      )
    })

    test('moves every value of every table to the sealing key, and touches nothing of what it seals', async () => {
      const [store] = stores
      const payloads = await payloadsOf(store)
      const total = await totalOf('old')
      expect(total).toBe(all)
      await request()
      await resealer(store).runDue()
      expect(await totalOf('old')).toBe(0)
      expect(await payloadsOf(store)).toEqual(payloads)
      expect(await verifyAll({ store, sealer: after })).toEqual({ values: total, unopened: [] })
      expect(await store.reseals.find()).toMatchObject({ resealed: total, unopened: 0, finishedAt: now })
      const { rows } = await store.auditEvents.list({ event: 'master_keys.resealed' }, { limit: 9 })
      expect(rows[0]).toMatchObject({ actor: 'gateway', detail: { master_key_id: 'fresh', unopened: 0 } })
    })

    test('values are counted where they are, a few rows at a time, as they would be by whoever reads them all', async () => {
      const [{ sealedValues }] = stores
      const [column] = sealedValues.columns
      if (!column) throw new Error('no column')
      const written = [
        '',
        'v1',
        'no sealed value',
        'v1.gone',
        'v2.gone.x.y',
        'v1.a_Key-9.x.y',
        'v1.fresh.x.y',
      ]
      const places = await sealedValues.page(column, '', written.length)
      for (const [at, row] of places.entries()) await sealedValues.replace(column, row, written[at] ?? '')
      const read = new Map<string, KeyUse>()
      for (const { table, ...each } of sealedValues.columns) {
        for (const { sealed } of await sealedValues.page({ table, ...each }, '', 10_000)) {
          if (sealed === null) continue
          const id = masterKeyIdOf(sealed) ?? ''
          const use = read.get(id) ?? { byTable: {}, total: 0, stale: 0 }
          use.byTable[table] = (use.byTable[table] ?? 0) + 1
          const stale = use.stale + (sealed.startsWith('v1.fresh.') ? 0 : 1)
          read.set(id, { ...use, total: use.total + 1, stale })
        }
      }
      expect([...read.keys()].toSorted()).toEqual(['', 'a_Key-9', 'fresh', 'old'])
      for (const atOnce of [7, many, 1_000]) {
        expect(await countUse({ store: stores[0] }, 'v1.fresh.', atOnce)).toEqual(read)
      }
    })

    test('never overwrites what somebody stored since the value was read', async () => {
      const [store] = stores
      const [column] = store.sealedValues.columns
      if (!column) throw new Error('no column')
      const [row] = await store.sealedValues.page(column, '', 1)
      if (!row) throw new Error('no row')
      const refreshed = await before.seal('refreshed', placeOf(column, row))
      expect(await store.sealedValues.replace(column, row, refreshed)).toBe(true)
      const late = await both.rewrap(row.sealed ?? '', placeOf(column, row))
      expect(await store.sealedValues.replace(column, row, late)).toBe(false)
      const [kept] = await store.sealedValues.page(column, '', 1)
      expect(kept?.sealed).toBe(refreshed)
    })

    test('of two processes one does the work, and together they lose nothing', async () => {
      await request()
      const others = stores.map((store) => resealer(store))
      await Promise.all(others.map((each) => each.runDue()))
      expect(await totalOf('old')).toBe(0)
      expect((await verifyAll({ store: stores[1], sealer: after })).unopened).toEqual([])
      expect(await stores[0].reseals.find()).toMatchObject({ resealed: all })
    })

    test('is not one for a process that seals with another key', async () => {
      await request()
      await resealer(stores[0], createSealer([old, fresh])).runDue()
      expect(await totalOf('old')).toBe(all)
      expect(await stores[0].reseals.find()).toMatchObject({ finishedAt: null })
    })

    test('is taken over a few seconds after a process died in the middle of it, and no value is done twice', async () => {
      const [store, elsewhere] = stores
      await request()
      // It dies after its first batch: nothing else of it ever gets to the database.
      const dying = {
        ...store,
        reseals: { ...store.reseals, advance: () => new Promise<boolean>(() => {}) },
      }
      void resealer(dying).runDue()
      await expect.poll(async () => await totalOf('fresh')).toBeGreaterThan(0)
      const done = await totalOf('fresh')
      expect(await totalOf('old')).toBeGreaterThan(0)
      const successor = resealer(elsewhere)
      for (let looks = 0; looks < 5; looks++) await successor.runDue()
      expect(await totalOf('old')).toBeGreaterThan(0)
      await successor.runDue()
      expect(await totalOf('old')).toBe(0)
      expect(await store.reseals.find()).toMatchObject({ resealed: all - done, unopened: 0 })
      expect((await verifyAll({ store, sealer: after })).unopened).toEqual([])
    })

    test('is neither counted nor finished by a process that was taken over, nor for a key that gave way', async () => {
      const [{ chores, reseals }] = stores
      await request()
      const take = async (holder: string) => {
        const [row] = await chores.list()
        const lease = await chores.take('resealing', row, holder)
        if (!lease) throw new Error('it was not to be had')
        return { lease, masterKeyId: 'fresh' }
      }
      const [late, present] = [await take('late'), await take('present')]
      const end = { unopened: 0, finishedAt: now }
      const event = () => auditEvent(now, { event: 'master_keys.resealed', actor: 'gateway' })
      expect(await reseals.advance(late, 5)).toBe(false)
      expect(await reseals.finish(late, end, event())).toBe(false)
      const another = { ...present, masterKeyId: 'old' }
      expect(await reseals.advance(another, 5)).toBe(false)
      expect(await reseals.finish(another, end, event())).toBe(false)
      expect(await reseals.advance(present, 7)).toBe(true)
      expect(await reseals.find()).toMatchObject({ resealed: 7, finishedAt: null })
      expect(await reseals.finish(present, end, event())).toBe(true)
    })

    test('leaves a value that was moved to another row as it is, and says so', async () => {
      const [store] = stores
      const { db, tables } = databases[0] as Database
      const [column] = store.sealedValues.columns
      if (!column) throw new Error('no column')
      const [one, two] = await store.sealedValues.page(column, '', 2)
      if (!one || !two) throw new Error('no rows')
      await store.sealedValues.replace(column, two, one.sealed ?? '')
      await request()
      await resealer(store).runDue()
      expect(await store.reseals.find()).toMatchObject({ unopened: 1, finishedAt: now })
      expect(await totalOf('old')).toBe(1)
      const place = { table: 'connections', column: 'sealed_access_token', row: two.id }
      expect((await verifyAll({ store, sealer: both })).unopened).toEqual([
        { ...place, reason: 'does_not_open' },
      ])
      expect((await verifyAll({ store, sealer: after })).unopened).toEqual([{ ...place, reason: 'no_key' }])
      await db.delete(tables.connections).returning()
    })

    test('asked for again while it is under way it goes on; afterwards it begins anew', async () => {
      const [store] = stores
      expect(await request()).toBe(true)
      expect(await request()).toBe(false)
      await resealer(store).runDue()
      expect(await request()).toBe(true)
      await resealer(store).runDue()
      expect(await store.reseals.find()).toMatchObject({ resealed: 0, finishedAt: now })
    })

    test('a start without a key that something is sealed under is refused by name, whichever key is left', async () => {
      const [store] = stores
      for (const sealer of [before, both]) await checkMasterKeys(store, sealer, now)
      const start = async (sealer: Sealer) => {
        const beforeMigrations = async (...found: Parameters<NonNullable<Hook>>) =>
          void (await verifyMasterKeys(found[0], sealer, found[1]))
        await (await openDatabase(url, { beforeMigrations })).close()
      }
      await start(both)
      await expect(start(after)).rejects.toThrow('not configured: old;')
      await request()
      await resealer(store).runDue()
      await start(after)
      // Back to the old key alone, with everything under the new one.
      await expect(start(before)).rejects.toThrow('not configured: fresh;')
      await expect(start(before)).rejects.toThrow(WrongMasterKey)
      const event = auditEvent(now, { event: 'master_key.retired', actor: 'admin:ada' })
      expect(await store.keyChecks.retire('old', event)).toBe(true)
      expect(await store.keyChecks.retire('old', event)).toBe(false)
      await start(after)
    })
  })
}

type Hook = NonNullable<Parameters<typeof openDatabase>[1]>['beforeMigrations']

/** What is sealed, without what wraps its key. */
async function payloadsOf({ sealedValues }: Store) {
  const found: string[] = []
  for (const column of sealedValues.columns) {
    for (const { id, sealed } of await sealedValues.page(column, '', 10_000)) {
      if (sealed !== null) found.push(`${column.table}.${column.column} ${id} ${sealed.split('.')[3]}`)
    }
  }
  return found
}

/** A value in every sealed column, and more connections than one batch. */
async function fill({ db, tables }: Database, sealer: Sealer): Promise<void> {
  const seal = (table: string, row: string, column: string) =>
    sealer.seal(`${table}.${column} of ${row}`, { table, row, column: `sealed_${column}` })
  const emptied = [
    tables.upstreamRevocations,
    tables.refreshLeases,
    tables.connections,
    tables.providers,
    tables.interactions,
    tables.signingKeys,
    tables.auditKeys,
    tables.keyChecks,
    tables.reseals,
    tables.chores,
    tables.subjects,
  ]
  for (const table of emptied) await db.delete(table).returning()
  await db.insert(tables.subjects).values(subject('ada')).returning()
  const ids = Array.from({ length: many }, (_, index) => `con_${String(index).padStart(4, '0')}`)
  const connections = await Promise.all(
    ids.map(async (id) =>
      connection(id, {
        sealedAccessToken: await seal('connections', id, 'access_token'),
        sealedRefreshToken: await seal('connections', id, 'refresh_token'),
      }),
    ),
  )
  await db.insert(tables.connections).values(connections).returning()
  const [lent = ''] = ids
  const lease = {
    connectionId: lent,
    fence: 1,
    holder: 'a',
    expiresAt: now,
    version: 1,
    sentAt: null,
    attempts: 0,
    answeredAt: now,
    restUntil: null,
    restReason: null,
  }
  const answer = await seal('refresh_leases', lent, 'answer')
  await db
    .insert(tables.refreshLeases)
    .values({ ...lease, sealedAnswer: answer })
    .returning()
  const secret = await seal('providers', 'forge', 'client_secret')
  const document = { descriptor: 'oidc', variables: {}, admit: 'anyone' as const }
  const provider = {
    id: 'forge',
    document,
    clientId: 'c',
    sealedClientSecret: secret,
    origin: 'admin' as const,
  }
  await db
    .insert(tables.providers)
    .values({ ...provider, enabled: true, createdAt: now, updatedAt: now, version: 1 })
    .returning()
  const revocation = {
    cause: 'x',
    extent: 'token' as const,
    subjectId: null,
    provider: 'forge',
    issuer: null,
    upstreamSubject: null,
    tokenEndpoint: 'https://forge.test/token',
    upstreamClientId: 'c',
    document,
    sealedClientSecret: secret,
    attempts: 0,
    trouble: null,
    nextAt: now,
    createdAt: now,
  }
  const rows = [
    {
      ...revocation,
      id: 'lent',
      connectionId: lent,
      sealedAccessToken: connections[0]?.sealedAccessToken ?? '',
      sealedRefreshToken: connections[0]?.sealedRefreshToken ?? '',
      sealedAnswer: answer,
    },
    {
      ...revocation,
      id: 'own',
      connectionId: null,
      sealedAccessToken: await seal('upstream_revocations', 'own', 'access_token'),
      sealedRefreshToken: await seal('upstream_revocations', 'own', 'refresh_token'),
      sealedAnswer: await seal('upstream_revocations', 'own', 'answer'),
    },
  ]
  await db.insert(tables.upstreamRevocations).values(rows).returning()
  const leg = await seal('interactions', 'i', 'leg_secrets')
  await db
    .insert(tables.interactions)
    .values([
      interaction('i', { clientId: null, resourceId: null, sealedLegSecrets: leg }),
      interaction('j', { clientId: null, resourceId: null }),
    ])
    .returning()
  const jwk = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'k', alg: 'ES256', use: 'sig' } as const
  const signing = { kid: 'k', publicJwk: jwk, createdAt: now, activeAt: now, retiresAt: null }
  const sealedPrivateJwk = await seal('signing_keys', 'k', 'private_jwk')
  await db
    .insert(tables.signingKeys)
    .values({ ...signing, sealedPrivateJwk })
    .returning()
  await db
    .insert(tables.auditKeys)
    .values({ id: 'audit', sealedKey: await seal('audit_keys', 'audit', 'key'), createdAt: now })
    .returning()
}
