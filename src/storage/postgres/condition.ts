import type { QueryResult } from 'pg'
import type { PostgresCondition } from '../condition.ts'
import type { Extent } from '../database.ts'
import { type Applied, pendingMigrations, readMigrations, selectMigrations } from '../migrations.ts'
import type { Connections } from './connections.ts'

/**
 * Which of `pg_stat_activity` are clients. Who is no superuser is told the kind of their own role's alone; what the
 * server runs for itself has no role, or no database.
 */
export const isClient = `coalesce(backend_type, 'client backend') = 'client backend'
  AND usename IS NOT NULL AND datname IS NOT NULL`

const settings = `SELECT
  current_setting('server_version') AS "version",
  current_setting('synchronous_commit') AS "synchronousCommit",
  current_setting('fsync') = 'on' AS "fsync",
  current_setting('transaction_isolation') AS "isolation",
  pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS "readOnly",
  pg_database_size(current_database()) AS "bytes",
  inet_server_addr() IS NULL AS "isLocal",
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS "isEncrypted",
  activity.*,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0) AS "most"
  FROM (
    SELECT count(*) AS "open",
      count(*) FILTER (WHERE application_name NOT LIKE 'coatcheck %') AS "others",
      count(DISTINCT application_name) FILTER (WHERE application_name LIKE 'coatcheck %:%') AS "gateways"
    FROM pg_stat_activity WHERE ${isClient}
  ) AS activity`

type Settings = Pick<
  PostgresCondition,
  'version' | 'synchronousCommit' | 'fsync' | 'isolation' | 'readOnly' | 'bytes'
> & { isLocal: boolean; isEncrypted: boolean } & PostgresCondition['server']

type Ask = (statement: { text: string }) => Promise<QueryResult>

/** Asks the server over a connection of the pool, so it also shows that the pool has one to give. */
export async function conditionOf(
  ask: Ask,
  pool: Pick<Connections, 'open' | 'most' | 'waiting'>,
): Promise<PostgresCondition> {
  const { isLocal, isEncrypted, open, most, others, gateways, ...same } = await theRow<Settings>(
    ask,
    settings,
  )
  return {
    kind: 'postgres',
    ...same,
    transport: isLocal ? 'local' : isEncrypted ? 'encrypted' : 'plain',
    pool: { open: pool.open, most: pool.most, waiting: pool.waiting },
    server: { open, most, others, gateways },
    pendingMigrations: pendingMigrations(readMigrations('postgres'), await applied(ask)).length,
  }
}

async function applied(ask: Ask): Promise<Applied[]> {
  const { name } = await theRow<{ name: string | null }>(
    ask,
    `SELECT to_regclass('applied_migrations') AS name`,
  )
  return name === null ? [] : (await ask({ text: selectMigrations })).rows
}

const extent = `SELECT
  pg_database_size(current_database()) AS "bytes",
  (SELECT n_live_tup FROM pg_stat_user_tables WHERE relid = 'audit_events'::regclass) AS "auditRows"`

/** Without counting: the server keeps an estimate. */
export const extentOf = (ask: Ask): Promise<Extent> => theRow<Extent>(ask, extent)

async function theRow<Row>(ask: Ask, text: string): Promise<Row> {
  const [row] = (await ask({ text })).rows
  if (!row) throw new Error('a query without a table has no row')
  return row
}
