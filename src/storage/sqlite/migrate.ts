import type { Database as Connection } from 'better-sqlite3'
import {
  type Applied,
  createMigrationsTable,
  type Migration,
  pendingMigrations,
  readMigrations,
  SchemaMismatchError,
  selectMigrations,
} from '../migrations.ts'

/**
 * Brings the schema up to date in one transaction that no other process can be in: either all of it happens
 * or none. Foreign keys are off meanwhile, since SQLite changes a table by copying and dropping it, and the
 * drop would cascade; they are checked before the commit and stay on afterwards.
 */
export function migrate(
  connection: Connection,
  known: readonly Migration[] = readMigrations('sqlite'),
): void {
  connection.pragma('foreign_keys = OFF')
  connection
    .transaction(() => {
      connection.exec(createMigrationsTable)
      const applied = connection.prepare<[], Applied>(selectMigrations).all()
      const pending = pendingMigrations(known, applied)
      for (const { tag, hash, source } of pending) {
        connection.exec(source)
        connection.prepare('INSERT INTO applied_migrations (tag, hash) VALUES (?, ?)').run(tag, hash)
      }
      if (pending.length > 0 && orphans(connection))
        throw new SchemaMismatchError('a migration would leave rows without their parent')
    })
    .exclusive()
  connection.pragma('foreign_keys = ON')
}

function orphans(connection: Connection): boolean {
  return (connection.pragma('foreign_key_check') as unknown[]).length > 0
}
