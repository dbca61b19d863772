import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import SqliteDatabase, { type Database as Connection } from 'better-sqlite3'
import type { Chains } from '../audit-links.ts'
import type { Access, BeforeMigrations, Database } from '../database.ts'
import { type StoredCheck, selectChecks } from '../key-checks.ts'
import { rewriteMigrations } from '../migrations.ts'
import { sealedUse } from '../sealed-use.ts'
import { StorageUnavailableError } from '../unavailable.ts'
import { conditionOf } from './condition.ts'
import { asUnavailable, isBusy } from './faults.ts'
import { type GateOptions, openGate } from './gate.ts'
import { createLogKeeper } from './log-size.ts'
import { migrate } from './migrate.ts'
import { connectDrizzle, eventQuery } from './queries.ts'
import { tables } from './tables.ts'

/** Milliseconds a call may wait inside SQLite, that is with the event loop at a standstill. */
const busyTimeout = 3

/** Milliseconds between two attempts to open while another process migrates. */
const openingPause = 20

/** Longer than for a write: another process may be migrating a large database. */
const openingPatience = 60_000

/** Rows are only ever added, so the ends of the table say how many there are. */
export const auditRows =
  'SELECT coalesce((SELECT max(rowid) FROM audit_events) - (SELECT min(rowid) FROM audit_events) + 1, 0)'
const sealedPlaces = `SELECT s.name || '.' || c.name AS place FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.type = 'table' AND c.name GLOB 'sealed[_]*'`
const databaseBytes = 'SELECT page_count * page_size FROM pragma_page_count, pragma_page_size'

export type SqliteOptions = Omit<GateOptions, 'audit'> & Opening & { chains: Chains }
type Opening = { beforeMigrations: BeforeMigrations; access: Access }

export async function openSqlite(path: string, options: SqliteOptions): Promise<Omit<Database, 'commits'>> {
  const file = path === ':memory:' ? path : resolve(path)
  const connection = await connect(file, options)
  const isIntact = fileWatch(file)
  const audit = { chains: options.chains, queryOf: eventQuery }
  const keepLogShort = createLogKeeper(connection, file)
  const observe: GateOptions['observe'] = (event) => {
    options.observe?.(event)
    if (event.kind === 'committed') keepLogShort()
  }
  const gate = openGate(connection, { ...options, isIntact, audit, observe })
  return {
    ...connectDrizzle(gate),
    tables,
    chains: options.chains,
    async ping() {
      await gate.run({ sql: rewriteMigrations, params: [] })
    },
    async condition() {
      if (!connection.open) throw new StorageUnavailableError('closed')
      try {
        return conditionOf(connection, file)
      } catch (error) {
        throw asUnavailable(error)
      }
    },
    waiting: gate.waiting,
    async extent() {
      const [rows = [], bytes = []] = await Promise.all([
        gate.run({ sql: auditRows, params: [] }),
        gate.run({ sql: databaseBytes, params: [] }),
      ])
      return { auditRows: Number(rows[0]?.[0]), bytes: Number(bytes[0]?.[0]) }
    },
    async close() {
      await gate.close()
      if (!connection.open) return
      if (options.access === 'read') return void connection.close()
      try {
        connection.pragma('wal_checkpoint(TRUNCATE)')
      } finally {
        connection.close()
      }
    },
  }
}

async function connect(file: string, { beforeMigrations, access }: Opening): Promise<Connection> {
  const deadline = performance.now() + openingPatience
  const connection = await patiently(deadline, () => (access === 'read' ? opened(file) : configured(file)))
  try {
    await beforeMigrations(
      await patiently(deadline, () => storedChecks(connection)),
      sealedUse(async (statement) => {
        const prepared = connection.prepare<[], Record<string, unknown>>(statement)
        return await patiently(deadline, () => prepared.all())
      }, sealedPlaces),
    )
    if (access === 'write') await patiently(deadline, () => migrate(connection))
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

async function patiently<Value>(deadline: number, attempt: () => Value): Promise<Value> {
  for (;;) {
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw asUnavailable(error)
      await new Promise((resume) => setTimeout(resume, openingPause))
    }
  }
}

function opened(file: string): Connection {
  const isFile = file !== ':memory:'
  return new SqliteDatabase(file, { readonly: isFile, fileMustExist: isFile, timeout: busyTimeout })
}

/** A connection with the settings every one that writes must have; the file is made where there is none. */
export function configured(file: string): Connection {
  if (file !== ':memory:') createFile(file)
  const connection = new SqliteDatabase(file, { timeout: busyTimeout })
  try {
    configure(connection)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

function storedChecks(connection: Connection): StoredCheck[] {
  const hasTable = connection.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'key_checks'`).get()
  return hasTable ? connection.prepare<[], StoredCheck>(selectChecks).all() : []
}

/** Nobody but this user may read the database or list its folder. What is there already is left as it is. */
function createFile(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  try {
    // `wx` opens nothing that exists: closing such a file would drop the locks this process has on it.
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** None of this but the page size and the WAL mode is kept in the file, so it is said on every connection. */
function configure(connection: Connection): void {
  // A row with two sealed tokens does not fit a page of 4 KB. Heeded before the first table is made.
  connection.pragma('page_size = 8192')
  connection.pragma('journal_mode = WAL')
  // better-sqlite3 reopens a WAL file with NORMAL, which forgets the last commits when the power fails.
  connection.pragma('synchronous = FULL')
  connection.pragma('secure_delete = ON')
  // Where a savepoint keeps what it may have to undo: faster, and nothing sealed or hashed gets into /tmp.
  connection.pragma('temp_store = MEMORY')
  // What the log may keep of the disk after a burst.
  connection.pragma('journal_size_limit = 67108864')
}

/**
 * Writing on into a file that was deleted or replaced would lose everything when the process ends. The same goes for the
 * log beside it, which stays the same one as long as anybody has it open.
 */
function fileWatch(file: string): () => boolean {
  if (file === ':memory:') return () => true
  const inodeOf = (path: string) => {
    const found = statSync(path, { throwIfNoEntry: false })
    return found && `${found.dev}:${found.ino}`
  }
  const opened = [file, `${file}-wal`].map((path) => ({ path, inode: inodeOf(path) }))
  const watched = opened.filter(({ inode }) => inode !== undefined)
  return () => watched.every(({ path, inode }) => inodeOf(path) === inode)
}
