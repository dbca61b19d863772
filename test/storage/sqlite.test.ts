import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate as turn } from 'node:timers/promises'
import SqliteDatabase from 'better-sqlite3'
import { sql } from 'drizzle-orm'
import { afterAll, expect, test } from 'vitest'
import { databaseAddress, openDatabase } from '../../src/storage/database.ts'
import type { GateEvent } from '../../src/storage/sqlite/gate.ts'
import { checkIntegrity } from '../../src/storage/sqlite/integrity.ts'
import { sweep, sweepDefaults } from '../../src/storage/sweep.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import { auditContract } from './audit-contract.ts'
import { boundsContract } from './bounds-contract.ts'
import { choresContract } from './chores-contract.ts'
import { connectionEndsContract } from './connection-ends-contract.ts'
import { storageContract } from './contract.ts'
import { exchangeContract } from './exchange-contract.ts'
import { limitsContract } from './limits-contract.ts'
import { policyContract } from './policy-contract.ts'
import { refreshContract } from './refresh-contract.ts'
import { resealContract } from './reseal-contract.ts'
import { revocationContract } from './revocation-contract.ts'
import { subject } from './rows.ts'
import { sitesContract } from './sites-contract.ts'
import { sweepContract } from './sweep-contract.ts'

const folder = mkdtempSync(join(tmpdir(), 'coatcheck-sqlite-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const newFile = () => join(folder, `${++files}.db`)

const backend = {
  newUrl: async () => `sqlite:${newFile()}`,
  emptyUrl: async () => `sqlite:${newFile()}`,
  async run(url: string, statement: string) {
    const connection = new SqliteDatabase(url.slice('sqlite:'.length))
    connection.exec(statement)
    connection.close()
  },
}

storageContract('SQLite', backend)
sweepContract('SQLite', backend)
auditContract('SQLite', backend)
boundsContract('SQLite', backend)
limitsContract('SQLite', backend)
policyContract('SQLite', backend)
refreshContract('SQLite', backend)
revocationContract('SQLite', backend)
resealContract('SQLite', backend)
choresContract('SQLite', backend)
connectionEndsContract('SQLite', backend)
exchangeContract('SQLite', backend)
sitesContract('SQLite', backend)

/** Another process, as far as SQLite is concerned: a connection that holds the right to write. */
function holdLock(file: string) {
  const connection = new SqliteDatabase(file)
  connection.exec('BEGIN IMMEDIATE')
  return { release: () => connection.close() }
}

test('the pragmas are set on a new file, on a file opened again, and in memory', async () => {
  const file = newFile()
  const names = [
    'synchronous',
    'journal_mode',
    'foreign_keys',
    'secure_delete',
    'page_size',
    'busy_timeout',
    'temp_store',
  ]
  const pragmasOf = async (url: string) => {
    const { db, close } = await openDatabase(url)
    const values: unknown[] = []
    for (const name of names) {
      const column = name === 'busy_timeout' ? 'timeout' : name
      const [row] = await db.select({ value: sql.raw(column) }).from(sql.raw(`pragma_${name}`))
      values.push(row?.value)
    }
    await close()
    return values
  }
  const onDisk = [2, 'wal', 1, 1, 8192, expect.any(Number), 2]
  expect(await pragmasOf(`sqlite:${file}`)).toEqual(onDisk)
  const reopened = await pragmasOf(`sqlite:${file}`)
  expect(reopened).toEqual(onDisk)
  expect(reopened[5]).toBeLessThanOrEqual(5)
  expect(await pragmasOf('sqlite::memory:')).toEqual([2, 'memory', 1, 1, 8192, expect.any(Number), 2])
})

test('nobody else may read the file, its log or its folder', async () => {
  const file = join(folder, 'private', 'nested', 'coatcheck.db')
  const { close, ping } = await openDatabase(`sqlite:${file}`)
  await ping()
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
  expect(modeOf(dirname(file))).toBe('700')
  expect([file, `${file}-wal`, `${file}-shm`].map(modeOf)).toEqual(['600', '600', '600'])
  await close()
})

test('closing leaves one file, without a log beside it', async () => {
  const file = newFile()
  const { close, ping } = await openDatabase(`sqlite:${file}`)
  await ping()
  await close()
  expect([file, `${file}-wal`, `${file}-shm`].map((path) => existsSync(path))).toEqual([true, false, false])
})

test('the writes of one turn share one commit', async () => {
  const commits: GateEvent[] = []
  const { db, tables, close } = await openDatabase(`sqlite:${newFile()}`, {
    observe: (event) => commits.push(event),
  })
  await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      db
        .insert(tables.subjects)
        .values(subject(`s${index}`))
        .returning(),
    ),
  )
  expect(commits).toEqual([{ kind: 'committed', units: 50, seconds: expect.any(Number) }])
  await close()
})

test('a read sees a write when it is answered, and not before', async () => {
  const { db, tables, close } = await openDatabase(`sqlite:${newFile()}`)
  const read = () => db.select().from(tables.subjects)
  const write = db.insert(tables.subjects).values(subject('ada')).returning()
  const [before, written] = await Promise.all([read(), write])
  expect(before).toEqual([])
  expect(await read()).toEqual(written)
  await close()
})

test('another process that holds the database stalls no read, and costs no write', async () => {
  const file = newFile()
  let refusals = 0
  const { db, tables, close } = await openDatabase(`sqlite:${file}`, {
    patience: 10_000,
    observe: (event) => {
      if (event.kind === 'busy') refusals++
    },
  })
  const other = holdLock(file)
  const writes = Array.from({ length: 20 }, (_, index) =>
    db
      .insert(tables.subjects)
      .values(subject(`s${index}`))
      .returning(),
  )
  const answers = Promise.all(writes)
  // The lock is let go only by this loop, so a gate that waited for it with the loop standing still would
  // have lost its patience before.
  let reads = 0
  while (refusals < 4) {
    expect(await db.select().from(tables.subjects)).toEqual([])
    reads++
    await turn()
  }
  expect(reads).toBeGreaterThan(4)
  other.release()
  expect((await answers).flat()).toHaveLength(20)
  expect(await db.select().from(tables.subjects)).toHaveLength(20)
  await close()
})

test('a process that never lets go makes writes unavailable, and nothing of them is written later', async () => {
  const file = newFile()
  const { db, tables, batch, ping, close } = await openDatabase(`sqlite:${file}`, { patience: 20 })
  const other = holdLock(file)
  const outcomes = await Promise.allSettled([
    db.insert(tables.subjects).values(subject('ada')).returning(),
    batch((queries) => ({
      guard: queries.insert(tables.subjects).values(subject('bob')).returning(),
      writes: [],
    })),
    ping(),
  ])
  const busy = { status: 'rejected', reason: new StorageUnavailableError('busy') }
  expect(outcomes).toEqual([busy, busy, busy])
  other.release()
  await ping()
  expect(await db.select().from(tables.subjects)).toEqual([])
  await close()
})

test('closing while another process holds the database answers everybody first', async () => {
  const file = newFile()
  const { db, tables, close } = await openDatabase(`sqlite:${file}`, { patience: 20 })
  const other = holdLock(file)
  const write = db.insert(tables.subjects).values(subject('ada')).returning()
  const answer = expect(Promise.all([write])).rejects.toEqual(new StorageUnavailableError('busy'))
  await turn()
  await close()
  await answer
  other.release()
})

test('a database whose file was moved away or replaced is not ready', async () => {
  const file = newFile()
  const { ping, close } = await openDatabase(`sqlite:${file}`)
  await ping()
  renameSync(file, `${file}.moved`)
  await expect(ping()).rejects.toEqual(new StorageUnavailableError('replaced'))
  writeFileSync(file, 'another file')
  await expect(ping()).rejects.toEqual(new StorageUnavailableError('replaced'))
  await close()
})

test('a file that is no database is refused and left as it is', async () => {
  await expect(openDatabase(`sqlite:${import.meta.filename}`)).rejects.toEqual(
    new StorageUnavailableError('faulty'),
  )
  expect(statSync(import.meta.filename).size).toBeGreaterThan(1000)
})

test('no statement of a sweep reads a table from end to end', async () => {
  const file = newFile()
  const database = await openDatabase(`sqlite:${file}`)
  const statements: string[] = []
  const { session } = database.db as unknown as { session: { prepareQuery(query: { sql: string }): unknown } }
  const prepareQuery = session.prepareQuery.bind(session)
  session.prepareQuery = (query, ...rest: []) => {
    statements.push(query.sql)
    return prepareQuery(query, ...rest)
  }
  const swept = await sweep(database, { now: 1_900_000_000, believed: 1_900_000_000 }, sweepDefaults)
  expect(statements).toHaveLength(Object.keys(swept).length)
  await database.close()
  const connection = new SqliteDatabase(file)
  const steps = statements.flatMap((statement) => {
    const values = Array.from({ length: statement.split('?').length - 1 }, () => 1)
    return connection.prepare<number[], { detail: string }>(`EXPLAIN QUERY PLAN ${statement}`).all(...values)
  })
  expect(steps.map(({ detail }) => detail).filter((detail) => detail.startsWith('SCAN'))).toEqual([])
  connection.close()
})

test.each([
  ['sqlite:data/coatcheck.db', { kind: 'sqlite', path: 'data/coatcheck.db' }],
  ['sqlite:/var/lib/coatcheck.db', { kind: 'sqlite', path: '/var/lib/coatcheck.db' }],
  ['sqlite:///var/lib/coatcheck.db', { kind: 'sqlite', path: '/var/lib/coatcheck.db' }],
  ['sqlite::memory:', { kind: 'sqlite', path: ':memory:' }],
  ['postgres://u@h/n', { kind: 'postgres', server: { user: 'u', database: 'n' } }],
  ['postgresql://u@h/n', { kind: 'postgres', server: { user: 'u', database: 'n' } }],
])('the database URL %s is understood', (url, address) => {
  expect(databaseAddress(url)).toMatchObject(address)
})

test.each(['', 'sqlite:', 'sqlite://host/path', 'mysql://secret@h/n', 'data/coatcheck.db', 'postgres:'])(
  'the database URL "%s" is refused without being repeated',
  (url) => {
    expect(() => databaseAddress(url)).toThrow(TypeError)
    expect(() => databaseAddress(url)).not.toThrow(/secret/)
  },
)

/** A process that opens the database and writes subjects until it is stopped, telling each that was answered. */
function startWriter(file: string, prefix: string) {
  const source = `
    import { openDatabase } from './src/storage/database.ts'
    const { db, tables } = await openDatabase('sqlite:${file}')
    for (let n = 0; ; n++) {
      const ids = Array.from({ length: 5 }, (_, index) => '${prefix}' + n + '_' + index)
      const row = (id) => ({ id, enabled: true, createdAt: 0, lastSeenAt: 0 })
      await Promise.all(ids.map((id) => db.insert(tables.subjects).values(row(id)).returning()))
      console.log(ids.join(' '))
    }`
  const writer = spawn(
    process.execPath,
    ['--conditions=coatcheck-source', '--input-type=module', '-e', source],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  return { writer, lines: createInterface(writer.stdout), exited: once(writer, 'exit') }
}

test('processes that start together agree on the schema, and what they answered survives kill -9', async () => {
  const file = newFile()
  const answered = new Set<string>()
  const writers = ['a', 'b', 'c'].map((prefix) => startWriter(file, prefix))
  await Promise.all(
    writers.map(async ({ writer, lines, exited }) => {
      let told = 0
      for await (const line of lines) {
        for (const id of line.split(' ')) answered.add(id)
        if (++told === 10) writer.kill('SIGKILL')
      }
      await exited
    }),
  )
  expect(answered.size).toBeGreaterThanOrEqual(150)
  const { db, tables, close } = await openDatabase(`sqlite:${file}`)
  const kept = new Set(
    (await db.select({ id: tables.subjects.id }).from(tables.subjects)).map(({ id }) => id),
  )
  expect([...answered].filter((id) => !kept.has(id))).toEqual([])
  await close()
})

test('its condition is what is in force, with what others may read of it', async () => {
  const file = newFile()
  const { db, tables, condition, close } = await openDatabase(`sqlite:${file}`)
  await db.insert(tables.subjects).values(subject('ada')).returning()
  const found = await condition()
  expect(found).toMatchObject({
    kind: 'sqlite',
    path: file,
    journalMode: 'wal',
    synchronous: 'full',
    foreignKeys: true,
    secureDelete: true,
    pageSize: 8192,
    freeBytes: expect.any(Number),
    exposed: [],
    pendingMigrations: 0,
  })
  expect(found.bytes % 8192).toBe(0)
  chmodSync(file, 0o644)
  // Behind a folder that is closed nobody gets at it.
  expect(await condition()).toMatchObject({ exposed: [] })
  chmodSync(folder, 0o755)
  expect(await condition()).toMatchObject({ exposed: [file] })
  chmodSync(folder, 0o700)
  await close()
  await expect(condition()).rejects.toEqual(new StorageUnavailableError('closed'))
})

test('what is only looked at takes no write, and makes no file', async () => {
  const absent = newFile()
  await expect(openDatabase(`sqlite:${absent}`, { access: 'read' })).rejects.toMatchObject({
    reason: 'unreachable',
  })
  expect(existsSync(absent)).toBe(false)
  const file = newFile()
  await (await openDatabase(`sqlite:${file}`)).close()
  const { db, tables, close } = await openDatabase(`sqlite:${file}`, { access: 'read' })
  await expect(db.insert(tables.subjects).values(subject('ada')).returning()).rejects.toMatchObject({
    reason: 'read_only',
  })
  await close()
})

test('a damaged file is told from a sound one', async () => {
  const file = newFile()
  const { db, tables, close } = await openDatabase(`sqlite:${file}`)
  for (let name = 0; name < 50; name++) {
    await db
      .insert(tables.subjects)
      .values(subject(`subject_${name}`))
      .returning()
  }
  await close()
  expect(checkIntegrity(file)).toEqual({ outcome: 'sound' })
  const content = readFileSync(file)
  content.fill(0xff, 8192 * 2, 8192 * 8)
  writeFileSync(file, content)
  expect(checkIntegrity(file)).toEqual({ outcome: 'damaged', faults: expect.any(Array) })
  writeFileSync(file, 'no database at all, but long enough to be looked at as if it were one'.repeat(20))
  expect(checkIntegrity(file)).toEqual({ outcome: 'damaged', faults: ['file is not a database'] })
})
