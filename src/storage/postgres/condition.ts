import type pg from 'pg'
import type { PostgresCondition } from '../condition.ts'
import type { Extent } from '../database.ts'
import { type Applied, pendingMigrations, readMigrations, selectMigrations } from '../migrations.ts'

const settings = `SELECT
  current_setting('server_version') AS "version",
  current_setting('synchronous_commit') AS "synchronousCommit",
  current_setting('fsync') = 'on' AS "fsync",
  current_setting('transaction_isolation') AS "isolation",
  pg_is_in_recovery() OR (
    SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only'
  ) AS "readOnly",
  pg_database_size(current_database()) AS "bytes",
  inet_server_addr() IS NULL AS "isLocal",
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS "isEncrypted",
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS "open",
  current_setting('max_connections')::int AS "most"`

type Settings = Pick<
  PostgresCondition,
  'version' | 'synchronousCommit' | 'fsync' | 'isolation' | 'readOnly' | 'bytes'
> & { isLocal: boolean; isEncrypted: boolean; open: number; most: number }

/** Asks the server over a connection of the pool, so it also shows that the pool has one to give. */
export async function conditionOf(pool: pg.Pool): Promise<PostgresCondition> {
  const { rows } = await pool.query<Settings>(settings)
  const [found] = rows
  if (!found) throw new Error('a query without a table has no row')
  const { isLocal, isEncrypted, open, most, ...same } = found
  return {
    kind: 'postgres',
    ...same,
    transport: isLocal ? 'local' : isEncrypted ? 'encrypted' : 'plain',
    pool: { open: pool.totalCount, most: pool.options.max, waiting: pool.waitingCount },
    server: { open, most },
    pendingMigrations: pendingMigrations(readMigrations('postgres'), await applied(pool)).length,
  }
}

async function applied(pool: pg.Pool): Promise<Applied[]> {
  const found = await pool.query<{ name: string | null }>(`SELECT to_regclass('applied_migrations') AS name`)
  return found.rows[0]?.name === null ? [] : (await pool.query<Applied>(selectMigrations)).rows
}

const extent = `SELECT
  pg_database_size(current_database()) AS "bytes",
  (SELECT n_live_tup FROM pg_stat_user_tables WHERE relid = 'audit_events'::regclass) AS "auditRows"`

/** Without counting: the server keeps an estimate. */
export async function extentOf(pool: pg.Pool): Promise<Extent> {
  const { rows } = await pool.query<Extent>(extent)
  const [found] = rows
  if (!found) throw new Error('a query without a table has no row')
  return found
}
