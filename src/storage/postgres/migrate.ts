import type { ClientBase } from 'pg'
import {
  type Applied,
  createMigrationsTable,
  type Migration,
  pendingMigrations,
  readMigrations,
  selectMigrations,
} from '../migrations.ts'
import { refuseOld } from './fitness.ts'

/** For a transaction that takes as long as it takes, whatever the session or the server would allow. */
export const withoutLimit =
  'SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0'

/** Whoever falls asleep while it migrates must not keep every other from its start. */
const awake = `SET LOCAL idle_in_transaction_session_timeout = '60s'`

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
  await refuseOld(client)
  await client.query(`BEGIN; ${withoutLimit}; ${awake}`)
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
    // Where the connection broke, that says so itself.
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}
