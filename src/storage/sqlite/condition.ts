import { statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Database as Connection } from 'better-sqlite3'
import type { SqliteCondition } from '../condition.ts'
import { type Applied, pendingMigrations, readMigrations, selectMigrations } from '../migrations.ts'

/** Reads settings and sizes alone, so it is quick however large the database is. */
export function conditionOf(connection: Connection, file: string): SqliteCondition {
  const pragma = (name: string) => connection.pragma(name, { simple: true })
  const isFile = file !== ':memory:'
  return {
    kind: 'sqlite',
    path: file,
    version: String(connection.prepare('SELECT sqlite_version()').pluck().get()),
    journalMode: String(pragma('journal_mode')),
    synchronous: (['off', 'normal', 'full', 'extra'] as const)[Number(pragma('synchronous'))] ?? 'off',
    foreignKeys: pragma('foreign_keys') === 1,
    secureDelete: pragma('secure_delete') === 1,
    pageSize: Number(pragma('page_size')),
    bytes: Number(pragma('page_count')) * Number(pragma('page_size')),
    freeBytes: isFile ? freeBytes(file) : undefined,
    exposed: isFile ? exposed(file) : [],
    pendingMigrations: pendingMigrations(readMigrations('sqlite'), applied(connection)).length,
  }
}

function applied(connection: Connection): Applied[] {
  const table = connection.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'applied_migrations'`).get()
  return table ? connection.prepare<[], Applied>(selectMigrations).all() : []
}

function freeBytes(file: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(dirname(file))
    return bavail * bsize
  } catch {
    // Not every file system tells.
    return undefined
  }
}

/** Windows has no such bits. */
function exposed(file: string): string[] {
  if (process.platform === 'win32') return []
  const isExposed = (path: string) => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0
  // Nobody gets at a file whose folder they may not enter.
  if (!isExposed(dirname(file))) return []
  return ['', '-wal', '-shm'].map((suffix) => file + suffix).filter(isExposed)
}
