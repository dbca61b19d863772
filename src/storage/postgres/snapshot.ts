import pg from 'pg'
import { ArchiveError, type ArchiveTable, archiveTables } from '../archive/format.ts'
import type { OpenSnapshot, SnapshotUse } from '../archive/snapshot.ts'
import {
  type Applied,
  movedMark,
  pendingMigrations,
  readMigrations,
  selectMigrations,
} from '../migrations.ts'
import { olderSchema } from '../sqlite/snapshot.ts'
import type { PostgresAddress } from './address.ts'
import { isClient } from './condition.ts'
import { connectTo, whoIsLookedAt } from './connect.ts'
import { asUnavailable } from './faults.ts'
import { migrationLock, withoutLimit } from './migrate.ts'
import { tables } from './tables.ts'

const wish = { name: 'coatcheck archive', patience: 10_000 }

/** Rows read at once. */
const page = 500

/**
 * One state of the database, by one repeatable-read transaction. `alone` also keeps everybody from writing and
 * starting, and fails where anybody else is connected: a gateway asks for something every five seconds.
 */
export async function openPostgresSnapshot(
  address: PostgresAddress,
  use: SnapshotUse | 'stopped',
): Promise<OpenSnapshot> {
  const client = await connectTo(address, { ...wish, server: whoIsLookedAt(address) }).catch((error) => {
    throw asUnavailable(error)
  })
  const all = archiveTables(tables)
  try {
    if (use === 'shared')
      await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${withoutLimit}`)
    else await takeForOneself(client, all, use)
    const { rows } = await client.query<Applied>(selectMigrations)
    if (pendingMigrations(readMigrations('postgres'), rows).length > 0) throw olderSchema()
    return {
      kind: 'postgres',
      tables: all,
      rows: (table) => rowsOf(client, table),
      async markMoved() {
        await client.query('INSERT INTO applied_migrations (tag, hash) VALUES ($1, $2)', [
          movedMark.tag,
          movedMark.hash,
        ])
        await client.query(refusingWrites(all))
        return async () => void (await client.query('COMMIT'))
      },
      close: () => client.end(),
    }
  } catch (error) {
    await client.end()
    throw asUnavailable(error)
  }
}

async function takeForOneself(client: pg.Client, all: readonly ArchiveTable[], use: 'alone' | 'stopped') {
  if (use === 'alone') await refuseOthers(client)
  const names = ['applied_migrations', ...all.map(({ name }) => `"${name}"`)].join(', ')
  await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; ${withoutLimit}; SET LOCAL lock_timeout = '10s'`)
  // Before the first look, which decides what this transaction sees.
  await client.query(`SELECT pg_advisory_xact_lock(${migrationLock})`).catch(asBusy)
  await client.query(`LOCK TABLE ${names} IN EXCLUSIVE MODE`).catch(asBusy)
}

const inUse = (by: string) =>
  new ArchiveError(
    `the database is in use (${by}): stop every gateway on it first. Where all are stopped, and these are other connections, say so: --stopped`,
  )

function asBusy(error: unknown): never {
  if (error instanceof pg.DatabaseError && error.code === '55P03') throw inUse('somebody writes to it')
  throw error
}

/** A gateway that was overlooked takes it for a standby, and answers nothing that would have to be kept. */
const refusingWrites = (all: readonly ArchiveTable[]) => `
  CREATE FUNCTION refuse_moved() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'everything was moved to another database' USING ERRCODE = '25006'; END $$;
  ${['applied_migrations', ...all.map(({ name }) => name)]
    .map(
      (name) => `CREATE TRIGGER moved BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON "${name}"
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_moved();`,
    )
    .join('\n')}`

async function refuseOthers(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string; count: number }>(
    `SELECT coalesce(nullif(application_name, ''), 'unnamed') AS name, count(*)::int AS count
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND ${isClient}
    GROUP BY 1 ORDER BY 1`,
  )
  if (rows.length > 0) throw inUse(rows.map(({ name, count }) => `${name}: ${count}`).join(', '))
}

async function* rowsOf(client: pg.Client, { name, columns }: ArchiveTable) {
  const values = columns.map((column) => `"${column.name}"`).join(', ')
  const select = `SELECT json_build_array(${values})::text AS line FROM "${name}"`
  await client.query(`DECLARE archived NO SCROLL CURSOR FOR ${select}`)
  try {
    for (;;) {
      const { rows } = await client.query<{ line: string }>(`FETCH ${page} FROM archived`)
      if (rows.length === 0) return
      yield rows.map(({ line }) => line)
    }
  } catch (error) {
    throw asUnavailable(error)
  } finally {
    // Where the connection broke, the cursor went with it.
    await client.query('CLOSE archived').catch(() => {})
  }
}
