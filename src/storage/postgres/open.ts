import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { Database } from '../database.ts'
import type { Queries } from '../dialect.ts'
import { rewriteMigrations } from '../migrations.ts'
import { replaceQueryErrors } from '../query-errors.ts'
import { StorageUnavailableError } from '../unavailable.ts'
import { batchOn } from './batch.ts'
import { asUnavailable } from './faults.ts'
import { migrate } from './migrate.ts'
import { tables } from './tables.ts'

export type PostgresOptions = {
  /** Milliseconds a request may wait for a connection. */
  patience: number
  /** How many requests may wait for one at once. */
  capacity: number
}

/** Milliseconds after which a statement without an answer is given up: a server may be gone without a word. */
const queryTimeout = 15_000

// The driver would give 64-bit integers as text. Ours are seconds and counts, far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

export async function openPostgres(url: string, { patience, capacity }: PostgresOptions): Promise<Database> {
  const connection = {
    connectionString: url,
    connectionTimeoutMillis: patience,
    application_name: 'coatcheck',
  }
  await prepare(new pg.Client(connection))
  const pool = new pg.Pool({ ...connection, query_timeout: queryTimeout, keepAlive: true })
  // An idle connection that breaks is the pool's to replace; without a listener it would end the process.
  pool.on('error', () => {})

  const admit = () => {
    if (pool.waitingCount >= capacity) throw new StorageUnavailableError('overloaded')
    if (pool.ending) throw new StorageUnavailableError('closed')
    return pool
  }
  const query: pg.Pool['query'] = (...args: unknown[]) => admit().query(...(args as [never]))
  const db = drizzle({ client: { query } as pg.Pool })
  replaceQueryErrors(db, asUnavailable)

  return {
    db: db as unknown as Queries,
    tables,
    batch: batchOn(async () => admit().connect()),
    async ping() {
      await query(rewriteMigrations).catch((error: unknown) => {
        throw asUnavailable(error)
      })
    },
    async close() {
      if (!pool.ending) await pool.end()
    },
  }
}

/** Brings the schema up to date on a connection without a time limit, and checks that commits are durable. */
async function prepare(client: pg.Client): Promise<void> {
  try {
    await client.connect()
    const { rows } = await client.query<{ setting: string }>(
      `SELECT current_setting('synchronous_commit') AS setting`,
    )
    if (rows[0]?.setting === 'off') {
      throw new TypeError(
        'the PostgreSQL server says synchronous_commit = off: it would forget answered writes',
      )
    }
    await migrate(client)
  } catch (error) {
    throw asUnavailable(error)
  } finally {
    await client.end()
  }
}
