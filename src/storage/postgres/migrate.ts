import type { ClientBase } from 'pg'
import {
  type Applied,
  createMigrationsTable,
  type Migration,
  pendingMigrations,
  readMigrations,
  selectMigrations,
} from '../migrations.ts'

/** Any number, as long as every version of the gateway uses the same. */
export const migrationLock = 7_265_728_431

/**
 * Brings the schema up to date in one transaction, which waits for any other that does: either all of it
 * happens or none.
 */
export async function migrate(
  client: ClientBase,
  known: readonly Migration[] = readMigrations('postgres'),
): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [migrationLock])
    await client.query(createMigrationsTable)
    const applied = await client.query<Applied>(selectMigrations)
    for (const { tag, hash, source } of pendingMigrations(known, applied.rows)) {
      await client.query(source)
      await client.query('INSERT INTO applied_migrations (tag, hash) VALUES ($1, $2)', [tag, hash])
    }
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}
