import { eq, sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { explain } from '../../src/cli/explain.ts'
import { openSnapshot } from '../../src/storage/archive/snapshot.ts'
import { openDatabase } from '../../src/storage/database.ts'
import { createStore } from '../../src/storage/store.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import { postgresServer } from '../support/database.ts'
import { runOn as run, startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'
import { auditContract } from './audit-contract.ts'
import { boundsContract } from './bounds-contract.ts'
import { choresContract } from './chores-contract.ts'
import { connectionEndsContract } from './connection-ends-contract.ts'
import { storageContract } from './contract.ts'
import { exchangeContract } from './exchange-contract.ts'
import { limitsContract } from './limits-contract.ts'
import { policyContract } from './policy-contract.ts'
import { intent, refreshContract, refreshed, tokensOf } from './refresh-contract.ts'
import { resealContract } from './reseal-contract.ts'
import { revocationContract } from './revocation-contract.ts'
import { connection, subject } from './rows.ts'
import { sitesContract } from './sites-contract.ts'
import { sweepContract } from './sweep-contract.ts'

let server: Awaited<ReturnType<typeof postgresServer>>
beforeAll(async () => {
  server = await postgresServer()
})
afterAll(() => server.stop())

const migrated = () => server.createDatabase(server.migrated)
const backend = { newUrl: migrated, emptyUrl: () => server.createDatabase(), run }

storageContract('PostgreSQL', backend)
sweepContract('PostgreSQL', backend)
auditContract('PostgreSQL', backend)
boundsContract('PostgreSQL', backend)
limitsContract('PostgreSQL', backend)
policyContract('PostgreSQL', backend)
refreshContract('PostgreSQL', backend)
revocationContract('PostgreSQL', backend)
resealContract('PostgreSQL', backend)
choresContract('PostgreSQL', backend)
connectionEndsContract('PostgreSQL', backend)
exchangeContract('PostgreSQL', backend)
sitesContract('PostgreSQL', backend)

/** A database with the two subjects the tests below change. */
async function openWithSubjects() {
  const url = await migrated()
  const database = await openDatabase(url)
  const { db, tables } = database
  await db
    .insert(tables.subjects)
    .values([subject('ada'), subject('bob')])
    .returning()
  return { ...database, url }
}

/** Ends every connection to the database of a URL but those of this test. */
const terminateConnections = (url: string) =>
  server.run(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${new URL(url).pathname.slice(1)}'`,
  )

test('two batches that lock the same rows in opposite order both succeed', async () => {
  const { db, tables, batch, close } = await openWithSubjects()
  const touch = (first: string, second: string) =>
    batch((queries) => {
      const { subjects } = tables
      const change = (id: string) =>
        queries.update(subjects).set({ lastSeenAt: 1 }).where(eq(subjects.id, id)).returning()
      return { guard: change(first), writes: [change(second)] }
    })
  for (let round = 0; round < 20; round++) {
    expect(await Promise.all([touch('ada', 'bob'), touch('bob', 'ada')])).not.toContain(undefined)
  }
  expect(await db.select({ lastSeenAt: tables.subjects.lastSeenAt }).from(tables.subjects)).toEqual([
    { lastSeenAt: 1 },
    { lastSeenAt: 1 },
  ])
  await close()
})

test('a read sees nothing of a batch that is under way', async () => {
  const { db, tables, batch, close, url } = await openWithSubjects()
  const { subjects } = tables
  // Holds the second row, so that the batch stops after its first write.
  const other = new pg.Client(url)
  await other.connect()
  await other.query(`BEGIN; UPDATE subjects SET last_seen_at = 2 WHERE id = 'bob'`)
  const change = (id: string) => ({ id, lastSeenAt: 1 })
  const batched = batch((queries) => ({
    guard: queries.update(subjects).set(change('ada')).where(eq(subjects.id, 'ada')).returning(),
    writes: [queries.update(subjects).set(change('bob')).where(eq(subjects.id, 'bob')).returning()],
  }))
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
  await until(async () => (await run(url, waiting)).length > 0)
  expect(await db.select().from(subjects)).toEqual([subject('ada'), subject('bob')])
  await other.query('COMMIT')
  await other.end()
  await batched
  expect((await db.select().from(subjects)).map((row) => row.lastSeenAt)).toEqual([1, 1])
  await close()
})

test('a refresh that ends while another takes its lease either ends or is overtaken, never both', async () => {
  const { db, tables, batch, close, url } = await openWithSubjects()
  const store = createStore(db, tables, batch)
  const [read] = await db.insert(tables.connections).values(connection('con')).returning()
  const lease = read && (await store.refreshLeases.take('con', undefined, intent('slow'), 0))
  if (!lease) throw new Error('no lease')
  // Holds the connection, so that the one that ends has looked at its lease, and has not written yet.
  const other = new pg.Client(url)
  await other.connect()
  await other.query(`BEGIN; UPDATE connections SET last_used_at = 2 WHERE id = 'con'`)
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
  const ended = store.connections.replaceTokens(read, lease, tokensOf('slow'), refreshed())
  await until(async () => (await run(url, waiting)).length > 0)
  let isDecided = false
  const taken = store.refreshLeases.take('con', lease, intent('quick'), lease.expiresAt).finally(() => {
    isDecided = true
  })
  await until(async () => isDecided || (await run(url, waiting)).length > 1)
  await other.query('COMMIT')
  await other.end()
  expect(await ended).toMatchObject({ version: 2, sealedRefreshToken: 'refresh of slow' })
  expect(await taken).toBeUndefined()
  await close()
})

test('a batch whose connection breaks before it is committed is run again on another', async () => {
  const { db, tables, batch, close, url } = await openWithSubjects()
  const { subjects } = tables
  const other = new pg.Client(url)
  await other.connect()
  await other.query(`BEGIN; UPDATE subjects SET last_seen_at = 2 WHERE id = 'bob'`)
  let builds = 0
  const batched = batch((queries) => {
    builds++
    return {
      guard: queries
        .update(subjects)
        .set({ lastSeenAt: sql`${subjects.lastSeenAt} + 1` })
        .where(eq(subjects.id, 'ada'))
        .returning(),
      writes: [queries.update(subjects).set({ lastSeenAt: 1 }).where(eq(subjects.id, 'bob')).returning()],
    }
  })
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
  await until(async () => (await run(url, waiting)).length > 0)
  other.on('error', () => {})
  await terminateConnections(url)
  expect(await batched).toBeDefined()
  expect(builds).toBe(2)
  const [ada, bob] = [subject('ada'), subject('bob')]
  expect(await db.select().from(subjects).orderBy(subjects.id)).toEqual([
    { ...ada, lastSeenAt: ada.lastSeenAt + 1 },
    { ...bob, lastSeenAt: 1 },
  ])
  await close()
})

test('nobody notices that the server ended idle connections', async () => {
  const { db, tables, batch, ping, close, url } = await openWithSubjects()
  const { subjects } = tables
  const touch = (lastSeenAt: number) => ({ lastSeenAt })
  const asked = () => [
    ping(),
    db.select().from(subjects),
    db.update(subjects).set(touch(3)).where(eq(subjects.id, 'ada')).returning(),
    batch((queries) => ({ guard: queries.update(subjects).set(touch(4)).returning(), writes: [] })),
  ]
  for (let round = 0; round < 20; round++) {
    // As many connections as there may be, all of them idle.
    await Promise.all([...asked(), ...asked(), ...asked()])
    await terminateConnections(url)
    await Promise.all([...asked(), ...asked(), ...asked()])
  }
  await close()
})

/** Stops the server processes of a database that match, as a machine does that is gone without a word. */
async function freeze(url: string, which = 'true'): Promise<() => void> {
  const rows = await server.run(
    `SELECT pid FROM pg_stat_activity WHERE datname = '${new URL(url).pathname.slice(1)}' AND ${which}`,
  )
  const pids = (rows as { pid: number }[]).map(({ pid }) => pid)
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  return () => {
    for (const pid of pids) process.kill(pid, 'SIGCONT')
  }
}

test('where one connection broke, the others have to show that they answer before anything goes over them', async () => {
  const { db, tables, close, url } = await openWithSubjects()
  const ask = () => db.select().from(tables.subjects)
  await Promise.all([ask(), ask()])
  const other = new pg.Client(url)
  await other.connect()
  await other.query('BEGIN; LOCK TABLE subjects')
  const asked = expect(ask()).resolves.toHaveLength(2)
  const waiting = `wait_event_type = 'Lock' AND datname = current_database()`
  const found = () => run(url, `SELECT pid FROM pg_stat_activity WHERE ${waiting}`)
  await until(async () => (await found()).length > 0)
  const thaw = await freeze(url, `state = 'idle' AND application_name LIKE 'coatcheck%'`)
  onTestFinished(thaw)
  await run(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${waiting}`)
  await other.end()
  await asked
  await close()
})

test('a statement whose server falls silent is given up in time, and its connection with it', async () => {
  const { url, close } = await openWithSubjects()
  const { db, tables, close: closeImpatient } = await openDatabase(url, { timeout: 1 })
  const other = new pg.Client(url)
  await other.connect()
  await other.query('BEGIN; LOCK TABLE subjects')
  const asked = [db.select().from(tables.subjects), db.delete(tables.subjects).returning()]
  const outcomes = asked.map((each) =>
    expect(each).rejects.toEqual(new StorageUnavailableError('unreachable')),
  )
  const waiting = `wait_event_type = 'Lock'`
  const locked = `SELECT 1 FROM pg_stat_activity WHERE ${waiting} AND datname = current_database()`
  await until(async () => (await run(url, locked)).length > 1)
  onTestFinished(await freeze(url, waiting))
  await Promise.all(outcomes)
  await other.end()
  expect(await db.select().from(tables.subjects)).toHaveLength(2)
  await closeImpatient()
  await close()
})

test('connections of other roles are seen, also by who is no superuser', async () => {
  const url = await server.createDatabase()
  const role = new URL(url).pathname.slice(1)
  await server.run(`CREATE ROLE ${role} LOGIN`)
  onTestFinished(async () => void (await server.run(`DROP ROLE ${role}`)))
  const other = new pg.Client({ connectionString: url, application_name: 'somebody else' })
  await other.connect()
  const own = url.replace('postgres@', `${role}@`)
  await expect(openSnapshot(own, 'alone')).rejects.toThrow('the database is in use (somebody else: 1)')
  const looked = await openDatabase(own, { access: 'read' })
  const condition = await looked.condition()
  expect('server' in condition && condition.server.others).toBeGreaterThan(0)
  await looked.close()
  await other.end()
})

/** Whoever was cut off takes a moment to leave. */
async function connectAtLast(url: string): Promise<pg.Client> {
  let client = new pg.Client(url)
  await until(async () => {
    client = new pg.Client(url)
    return await client.connect().then(
      () => true,
      () => false,
    )
  })
  return client
}

test('a server without room for another connection is content with those that are there', async () => {
  const full = await startPostgres({ max_connections: '8', superuser_reserved_connections: '0' })
  const url = await full.createDatabase()
  const { db, tables, close } = await openDatabase(url)
  const ask = () => db.select().from(tables.subjects)
  await ask()
  const others: pg.Client[] = []
  for (let count = 0; count < 6; count++) {
    const other = new pg.Client(url)
    await other.connect()
    others.push(other)
  }
  await expect(new pg.Client(url).connect()).rejects.toMatchObject({ code: '53300' })
  await Promise.all(Array.from({ length: 40 }, ask))
  await full.run(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'coatcheck%'`,
  )
  const usurper = await connectAtLast(url)
  // However many ask, none waits for a connection that another one only tries to get.
  const asked = Array.from({ length: 40 }, ask)
  const overloaded = new StorageUnavailableError('overloaded')
  await Promise.all(asked.map((each) => expect(each).rejects.toEqual(overloaded)))
  await usurper.end()
  expect(await ask()).toEqual([])
  await Promise.all(others.map((other) => other.end()))
  await close()
  await full.stop()
})

test('a connection parses once what every request runs, and goes on where its session forgot it', async () => {
  const { close, url } = await openWithSubjects()
  const { db, tables, batch, close: closeOne } = await openDatabase(url, { connections: 1 })
  const { subjects } = createStore(db, tables, batch)
  const known = db
    .select({ count: sql<number>`(SELECT count(*)::int FROM pg_prepared_statements)` })
    .from(tables.subjects)
    .limit(1)
  expect(await known).toEqual([{ count: 0 }])
  for (let round = 0; round < 3; round++) expect(await subjects.find('ada')).toBeDefined()
  expect(await known).toEqual([{ count: 1 }])
  await (db as unknown as NodePgDatabase).execute(sql`DEALLOCATE ALL`)
  for (let round = 0; round < 3; round++) expect(await subjects.find('ada')).toBeDefined()
  expect(await known).toEqual([{ count: 0 }])
  await closeOne()
  await close()
})

test('a server that only reads is not ready', async () => {
  const { close, url, ping } = await openWithSubjects()
  await server.run(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = on`)
  await terminateConnections(url)
  await ping().catch(() => {})
  await expect(ping()).rejects.toEqual(new StorageUnavailableError('read_only'))
  await close()
})

test('a server that forgets answered writes is refused', async () => {
  const url = await migrated()
  await server.run(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`)
  await expect(openDatabase(url)).rejects.toThrow(/synchronous_commit/)
})

test('a server older than 14 is refused, in one line, before anything is written to it', async () => {
  const url = await server.createDatabase()
  await server.run(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET search_path = public, pg_catalog`)
  await run(
    url,
    `CREATE FUNCTION current_setting(name text) RETURNS text LANGUAGE sql AS $$
      SELECT CASE name WHEN 'server_version_num' THEN '130014' WHEN 'server_version' THEN '13.14'
        ELSE pg_catalog.current_setting(name) END $$`,
  )
  const refused = await openDatabase(url).catch((error: unknown) => error)
  expect(explain(refused)).toBe('the PostgreSQL server is version 13.14, and 14 is the oldest that will do')
  expect(await run(url, `SELECT 1 FROM pg_tables WHERE schemaname = 'public'`)).toEqual([])
})

test('a server that is not there is unreachable', async () => {
  await expect(openDatabase('postgres://localhost/name?host=/nonexistent')).rejects.toEqual(
    new StorageUnavailableError('unreachable'),
  )
})

test('a database that is not there is unreachable', async () => {
  const url = server.url.replace('/postgres?', '/absent?')
  await expect(openDatabase(url)).rejects.toEqual(new StorageUnavailableError('unreachable'))
})

test('its condition is what is in force at the server', async () => {
  const { url, condition, close } = await openWithSubjects()
  const database = new URL(url).pathname.slice(1)
  expect(await condition()).toMatchObject({
    kind: 'postgres',
    version: expect.stringMatching(/^\d+/),
    synchronousCommit: 'on',
    fsync: false,
    isolation: 'read committed',
    readOnly: false,
    transport: 'local',
    pool: { open: expect.any(Number), most: 10, waiting: 0 },
    server: { open: expect.any(Number), most: 297, others: expect.any(Number), gateways: expect.any(Number) },
    bytes: expect.any(Number),
    pendingMigrations: 0,
  })
  await server.run(`ALTER DATABASE ${database} SET synchronous_commit = off`)
  await server.run(`ALTER DATABASE ${database} SET default_transaction_isolation = serializable`)
  await close()
  // It would not start so; it is still looked at.
  const looked = await openDatabase(url, { access: 'read' })
  expect(await looked.condition()).toMatchObject({ synchronousCommit: 'off', isolation: 'serializable' })
  const { db, tables } = looked
  await expect(db.delete(tables.subjects).returning()).rejects.toEqual(
    new StorageUnavailableError('read_only'),
  )
  expect(await db.select().from(tables.subjects)).toHaveLength(2)
  // That it is only looked at is no condition of the server.
  expect(await looked.condition()).toMatchObject({ readOnly: false })
  await server.run(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
  await terminateConnections(url)
  await looked.condition().catch(() => {})
  expect(await looked.condition()).toMatchObject({ readOnly: true })
  await looked.close()
  await expect(looked.condition()).rejects.toEqual(new StorageUnavailableError('closed'))
})
