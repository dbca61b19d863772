import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endChains } from '../../src/audit/chains.ts'
import { loadConfig } from '../../src/config/config.ts'
import { openGateway } from '../../src/gateway.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { archiveOf } from '../../src/storage/archive/format.ts'
import { openSnapshot } from '../../src/storage/archive/snapshot.ts'
import { completeDatabase, importArchive } from '../../src/storage/archive/target.ts'
import { openDatabase } from '../../src/storage/database.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import { type Pooler, startPooler } from '../support/pooler.ts'
import { startPostgres, type TestServer } from '../support/postgres.ts'
import { until } from '../support/until.ts'
import { subject } from './rows.ts'

let server: TestServer
let pooler: Pooler
beforeAll(async () => {
  server = await startPostgres()
  pooler = await startPooler(server.folder)
})
afterAll(async () => {
  await pooler.stop()
  await server.stop()
})

const newUrl = async () => pooler.urlOf(await server.createDatabase())

/** A database with one subject, behind the pooler, and what changes that subject. */
async function openWithSubject(timeout = 10) {
  const url = await newUrl()
  const database = await openDatabase(url, { timeout })
  const { subjects } = database.tables
  await database.db.insert(subjects).values([subject('ada')])
  const change = (lastSeenAt: number) =>
    database.batch((db) => ({
      guard: db.update(subjects).set({ lastSeenAt }).where(eq(subjects.id, 'ada')).returning(),
      writes: [],
    }))
  const seen = async () => (await database.db.select().from(subjects))[0]?.lastSeenAt
  return { ...database, url, change, seen }
}

test('the stand-in refuses what a pooler would, and gives each transaction another connection', async () => {
  const strict = await startPooler(server.folder)
  const url = strict.urlOf(await server.createDatabase())
  const connect = async (more: pg.ClientConfig = {}) => {
    const client = new pg.Client({ connectionString: url, ...more })
    client.on('error', () => {})
    await client.connect()
    return client
  }
  const client = await connect()
  const pid = async () => (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid
  expect(await pid()).not.toBe(await pid())
  await client.query('BEGIN')
  expect(await pid()).toBe(await pid())
  await client.query('COMMIT')
  await client.end()
  for (const text of ['SET statement_timeout = 1', 'SELECT pg_advisory_lock(1)', 'LISTEN x']) {
    const other = await connect()
    await expect(other.query(text)).rejects.toThrow()
    expect(strict.violations().at(-1)).toContain(text)
  }
  const named = await connect()
  await expect(named.query({ name: 'mine', text: 'SELECT 1' })).rejects.toThrow(/named/)
  await expect(connect({ statement_timeout: 5 })).rejects.toMatchObject({ code: '08P01' })
  const careless = await connect()
  await careless.query('SET LOCAL statement_timeout = 1')
  expect(strict.violations().at(-1)).toBe('SET LOCAL by itself')
  await strict.stop()
})

test('what reads, writes, looks, backs up and restores leaves nothing in a session', async () => {
  const before = pooler.changes()
  const { ping, condition, extent, change, seen, close, url } = await openWithSubject()
  for (let round = 1; round < 10; round++) {
    expect(await change(round)).toBeDefined()
    expect(await seen()).toBe(round)
  }
  await ping()
  expect(await condition()).toMatchObject({ kind: 'postgres', readOnly: false, pendingMigrations: 0 })
  expect(await extent()).toMatchObject({ bytes: expect.any(Number) })
  const looked = await openDatabase(url, { access: 'read' })
  const { db, tables } = looked
  expect(await db.select().from(tables.subjects)).toHaveLength(1)
  await expect(db.delete(tables.subjects).returning()).rejects.toEqual(
    new StorageUnavailableError('read_only'),
  )
  await looked.close()
  const copy = await newUrl()
  const snapshot = await openSnapshot(url, 'shared')
  const { rows } = await importArchive(copy, archiveOf(snapshot, 0))
  expect(rows.subjects).toBe(1)
  await snapshot.close()
  await completeDatabase(copy)
  await close()
  const restored = await openDatabase(copy)
  expect(await restored.db.select().from(tables.subjects)).toEqual([{ ...subject('ada'), lastSeenAt: 9 }])
  await restored.close()
  expect(pooler.violations()).toEqual([])
  expect(pooler.changes()).toBeGreaterThan(before + 20)
})

test('statements have their limit although no session would keep it', async () => {
  const { db, tables, url, change, close } = await openWithSubject(1)
  const other = new pg.Client(url)
  await other.connect()
  await other.query('BEGIN; LOCK TABLE subjects')
  const busy = new StorageUnavailableError('busy')
  await Promise.all([
    expect(db.select().from(tables.subjects)).rejects.toEqual(busy),
    expect(db.delete(tables.subjects).returning()).rejects.toEqual(busy),
    expect(change(1)).rejects.toEqual(busy),
  ])
  await other.end()
  await close()
})

test('a pooler that lets somebody in, and has no server for them, is given up in time', async () => {
  const { url, close } = await openWithSubject()
  const { db, tables, close: closeImpatient } = await openDatabase(url, { timeout: 1, connections: 1 })
  pooler.befall(/pg_is_in_recovery/, 'stall')
  const ask = () => db.select().from(tables.subjects)
  await expect(ask()).rejects.toEqual(new StorageUnavailableError('unreachable'))
  // The one connection there may be is to be had again.
  expect(await ask()).toHaveLength(1)
  await closeImpatient()
  await close()
})

describe('a connection that breaks', () => {
  test('before its transaction was committed is replaced, and nothing happens twice', async () => {
    const { change, seen, close } = await openWithSubject()
    for (const [pattern, mishap] of [
      [/^BEGIN/, 'cut'],
      [/^update "subjects"/, 'cut'],
      [/^update "subjects"/, 'lose'],
    ] as const) {
      pooler.befall(pattern, mishap)
      await change(((await seen()) ?? 0) + 1)
    }
    expect(await seen()).toBe(3)
    pooler.befall(/^select .* from "subjects"/, 'cut')
    expect(await seen()).toBe(3)
    await close()
  })

  test('five times in a row is told', async () => {
    const { change, seen, close } = await openWithSubject()
    for (let times = 0; times < 5; times++) pooler.befall(/^update "subjects"/, 'cut')
    await expect(change(1)).rejects.toEqual(new StorageUnavailableError('unreachable'))
    expect(await seen()).toBe(0)
    await close()
  })

  test.each([
    ['cut', 0],
    ['lose', 1],
  ] as const)('at COMMIT (%s) leaves open what became of it, and is told', async (mishap, after) => {
    const { change, seen, close } = await openWithSubject()
    pooler.befall(/^update "subjects"/, mishap, 'at its commit')
    await expect(change(1)).rejects.toEqual(new StorageUnavailableError('unreachable'))
    expect(await seen()).toBe(after)
    await close()
  })
})

describe.each([
  ['a server', () => server.createDatabase()],
  ['a pooler', newUrl],
])('on an empty database of %s', (_what, createUrl) => {
  test('five gateways that start at once make one of everything', async () => {
    const url = await createUrl()
    const config = loadConfig({ COATCHECK_DATABASE_URL: url }, () => '')
    const secrets = { masterKeys: [{ id: 'k', key: randomBytes(32) }] as const, adminToken: undefined }
    const five = Array.from({ length: 5 }, async () => {
      const { gateway, database } = await openGateway(
        config,
        { ...secrets, masterKeys: [...secrets.masterKeys] },
        systemClock,
      )
      await gateway.signingKeys.signingKey()
      return { gateway, database }
    })
    const opened = await Promise.all(five)
    const { db, tables } = opened[0]?.database ?? expect.unreachable()
    for (const table of [tables.keyChecks, tables.signingKeys, tables.auditKeys]) {
      expect(await db.select().from(table)).toHaveLength(1)
    }
    for (const { gateway, database } of opened) {
      await endChains(gateway, database)
      await database.close()
    }
    expect(pooler.violations()).toEqual([])
  })
})

test('a migration whose process is killed in the middle is done by the next', async () => {
  const url = await server.createDatabase()
  const other = new pg.Client(url)
  await other.connect()
  // The migration waits for it in its middle.
  await other.query('BEGIN; CREATE TABLE refresh_tokens (id text)')
  const command = ['--conditions=coatcheck-source', 'src/cli.ts', 'migrate']
  const env = { PATH: process.env.PATH ?? '', COATCHECK_DATABASE_URL: url }
  const child = spawn(process.execPath, command, { env, stdio: 'ignore' })
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%CREATE TABLE%' AND pid <> pg_backend_pid()`
  await until(async () => (await server.run(waiting)).length > 0)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
  const next = openDatabase(url)
  await other.query('ROLLBACK')
  await other.end()
  const database = await next
  expect(await database.condition()).toMatchObject({ pendingMigrations: 0 })
  expect(await database.db.select().from(database.tables.refreshTokens)).toEqual([])
  await database.close()
})
