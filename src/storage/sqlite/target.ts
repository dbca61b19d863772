import { resolve } from 'node:path'
import type { Database as Connection, Statement } from 'better-sqlite3'
import { ArchiveError, type ArchiveRow, type ArchiveTable, archiveTables } from '../archive/format.ts'
import type { Target } from '../archive/target.ts'
import { type Applied, createMigrationsTable, incompleteMark, selectMigrations } from '../migrations.ts'
import { asUnavailable, isBusy } from './faults.ts'
import { migrate } from './migrate.ts'
import { configured } from './open.ts'
import { tables } from './tables.ts'

/** Nobody else has the file open meanwhile. */
export function openSqliteTarget(path: string): Target {
  const connection = opened(resolve(path))
  const inserts = new Map<ArchiveTable, Statement<unknown[]>>()
  return {
    kind: 'sqlite',
    async begin(migrations) {
      takeEmpty(connection)
      migrate(connection, migrations)
      connection.pragma('foreign_keys = OFF')
      connection.exec('BEGIN EXCLUSIVE')
    },
    async insert(table, rows) {
      const insert = inserts.get(table) ?? connection.prepare<unknown[]>(insertInto(table))
      inserts.set(table, insert)
      for (const row of rows) insert.run(...valuesOf(table, row))
    },
    async count(wanted) {
      const count = (name: string) => connection.prepare(`SELECT count(*) FROM "${name}"`).pluck().get()
      return Object.fromEntries(wanted.map(({ name }) => [name, Number(count(name))]))
    },
    async commit(migrations) {
      const orphans = connection.pragma('foreign_key_check') as unknown[]
      if (orphans.length > 0) throw new ArchiveError('the archive has rows without their parent')
      connection.exec('COMMIT')
      migrate(connection, migrations)
    },
    async complete() {
      connection.prepare('DELETE FROM applied_migrations WHERE tag = ?').run(incompleteMark.tag)
    },
    async close() {
      connection.close()
    },
    explained: asUnavailable,
  }
}

function opened(file: string): Connection {
  try {
    const connection = configured(file)
    connection.pragma('locking_mode = EXCLUSIVE')
    return connection
  } catch (error) {
    throw isBusy(error) ? openElsewhere() : asUnavailable(error)
  }
}

const openElsewhere = () => new ArchiveError('the database to write into is open elsewhere')

/** In one transaction: whatever is there without a row goes, and the mark is set. */
function takeEmpty(connection: Connection): void {
  connection.pragma('foreign_keys = OFF')
  const take = connection.transaction(() => {
    const has = (table: string) => connection.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(table)
    const known = archiveTables(tables).filter(({ name }) => has(name))
    const isMarked =
      has('applied_migrations') &&
      connection
        .prepare<[], Applied>(selectMigrations)
        .all()
        .some(({ tag }) => tag === incompleteMark.tag)
    const full = known.filter(({ name }) => connection.prepare(`SELECT 1 FROM "${name}" LIMIT 1`).get())
    if (full.length > 0 && !isMarked) throw notEmpty(full)
    for (const { name } of known) connection.exec(`DROP TABLE "${name}"`)
    connection.exec('DROP TABLE IF EXISTS applied_migrations')
    connection.exec(createMigrationsTable)
    connection
      .prepare('INSERT INTO applied_migrations (tag, hash) VALUES (?, ?)')
      .run(incompleteMark.tag, incompleteMark.hash)
  })
  try {
    take.exclusive()
  } catch (error) {
    throw isBusy(error) ? openElsewhere() : error
  }
}

export const notEmpty = (full: readonly ArchiveTable[]) =>
  new ArchiveError(
    `the database to write into is not empty (${full.map(({ name }) => name).join(', ')}); name a new one`,
  )

function insertInto({ name, columns }: ArchiveTable): string {
  const names = columns.map((column) => `"${column.name}"`).join(', ')
  return `INSERT INTO "${name}" (${names}) VALUES (${columns.map(() => '?').join(', ')})`
}

function valuesOf({ columns }: ArchiveTable, row: ArchiveRow): unknown[] {
  return columns.map(({ kind }, index) => {
    const value = row[index]
    if (value === null) return null
    if (kind === 'json') return JSON.stringify(value)
    return kind === 'boolean' ? Number(value) : value
  })
}
