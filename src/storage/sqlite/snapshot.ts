import { resolve } from 'node:path'
import SqliteDatabase, { type Database as Connection } from 'better-sqlite3'
import { type ArchiveColumn, ArchiveError, type ArchiveTable, archiveTables } from '../archive/format.ts'
import type { OpenSnapshot, SnapshotUse } from '../archive/snapshot.ts'
import {
  type Applied,
  movedMark,
  pendingMigrations,
  readMigrations,
  selectMigrations,
} from '../migrations.ts'
import { asUnavailable, isBusy } from './faults.ts'
import { checkIntegrity } from './integrity.ts'
import { tables } from './tables.ts'

/** Milliseconds a look at the file waits for another process; nobody else waits with it. */
const patience = 10_000

/** Rows read at once. */
const page = 200

/**
 * One state of the file, by a read transaction of its own: who writes meanwhile goes on writing, and this does not see it.
 * `alone` lets nobody open it, and fails where anybody has.
 */
export function openSqliteSnapshot(path: string, use: SnapshotUse): OpenSnapshot {
  const file = resolve(path)
  const connection = begun(file, use)
  try {
    const applied = connection.prepare<[], Applied>(selectMigrations).all()
    if (pendingMigrations(readMigrations('sqlite'), applied).length > 0) throw olderSchema()
    return {
      kind: 'sqlite',
      tables: archiveTables(tables),
      rows: (table) => rowsOf(connection, table),
      async markMoved() {
        connection
          .prepare('INSERT INTO applied_migrations (tag, hash) VALUES (?, ?)')
          .run(movedMark.tag, movedMark.hash)
        return async () => void connection.exec('COMMIT')
      },
      async close() {
        connection.close()
      },
    }
  } catch (error) {
    connection.close()
    throw error
  }
}

export const olderSchema = () =>
  new ArchiveError('the database is of an older version: coatcheck migrate brings it up to date')

function begun(file: string, use: SnapshotUse): Connection {
  let connection: Connection | undefined
  try {
    connection = new SqliteDatabase(file, {
      readonly: use === 'shared',
      fileMustExist: true,
      timeout: use === 'shared' ? patience : 0,
    })
    if (use === 'shared') refuseDamaged(file)
    // In WAL mode whoever is connected holds a lock that this one cannot be had beside of.
    if (use === 'alone') connection.pragma('locking_mode = EXCLUSIVE')
    connection.exec(use === 'alone' ? 'BEGIN EXCLUSIVE' : 'BEGIN')
    return connection
  } catch (error) {
    connection?.close()
    if (use === 'alone' && isBusy(error)) {
      throw new ArchiveError('the database is open elsewhere: stop every gateway on it first')
    }
    throw asUnavailable(error)
  }
}

function refuseDamaged(file: string): void {
  const integrity = checkIntegrity(file)
  if (integrity.outcome !== 'damaged') return
  throw new ArchiveError(`the database is damaged: ${integrity.faults.join('; ')}`)
}

async function* rowsOf(connection: Connection, table: ArchiveTable) {
  try {
    yield* pagesOf(connection, table)
  } catch (error) {
    throw asUnavailable(error)
  }
}

function* pagesOf(connection: Connection, { name, columns }: ArchiveTable) {
  const names = columns.map((column) => `"${column.name}"`).join(', ')
  const statement = connection.prepare<[], unknown[]>(`SELECT ${names} FROM "${name}"`).raw(true)
  let lines: string[] = []
  for (const row of statement.iterate()) {
    lines.push(`[${columns.map((column, index) => jsonOf(column, row[index])).join(',')}]`)
    if (lines.length < page) continue
    yield lines
    lines = []
  }
  if (lines.length > 0) yield lines
}

/** Columns of JSON hold it as text, and booleans are numbers. */
function jsonOf({ kind }: ArchiveColumn, value: unknown): string {
  if (value === null) return 'null'
  if (kind === 'json') return JSON.stringify(JSON.parse(String(value)))
  if (kind === 'boolean') return value === 0 ? 'false' : 'true'
  return JSON.stringify(value)
}
