import pg from 'pg'
import type { Chains } from '../audit-links.ts'
import type { Access, BeforeMigrations, Database } from '../database.ts'
import type { Queries } from '../dialect.ts'
import { overPostgres } from '../drizzle.ts'
import { type StoredCheck, selectChecks } from '../key-checks.ts'
import { rewriteMigrations } from '../migrations.ts'
import { unwrapErrors } from '../query-errors.ts'
import { sealedUse } from '../sealed-use.ts'
import type { GateOptions } from '../sqlite/gate.ts'
import { StorageUnavailableError } from '../unavailable.ts'
import { batchOn } from './batch.ts'
import { conditionOf, extentOf } from './condition.ts'
import { asUnavailable } from './faults.ts'
import { migrate } from './migrate.ts'
import { tables } from './tables.ts'

const { drizzle } = overPostgres()

export type PostgresOptions = {
  /** Milliseconds a request may wait for a connection. */
  patience: number
  /** How many requests may wait for one at once. */
  capacity: number
  beforeMigrations: BeforeMigrations
  access: Access
  /** Told of every batch that was committed. */
  observe?: GateOptions['observe']
  chains: Chains
}

/** Milliseconds after which a statement without an answer is given up: a server may be gone without a word. */
const queryTimeout = 15_000

const sealedPlaces = `SELECT table_name || '.' || column_name AS place FROM information_schema.columns WHERE table_schema = current_schema() AND column_name LIKE 'sealed\\_%'`

// The driver would give 64-bit integers as text. Ours are seconds and counts, far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

export async function openPostgres(url: string, options: PostgresOptions): Promise<Database> {
  const { patience, capacity, access, chains } = options
  const connection = {
    connectionString: url,
    connectionTimeoutMillis: patience,
    application_name: 'coatcheck',
  }
  await prepare(new pg.Client(connection), options)
  const pool = new pg.Pool({ ...connection, query_timeout: queryTimeout, keepAlive: true })
  pool.on('error', ignore)
  pool.on('connect', (client) => {
    client.on('error', ignore)
    // Before whatever the connection was made for; where this fails, so does that.
    if (access === 'read') client.query('SET default_transaction_read_only = on').catch(ignore)
  })

  let closed = false
  const underWay = new Set<Promise<unknown>>()
  /** The pool would take any number of requests, and forget those that still wait when it ends. */
  async function admit<Answer>(request: () => Promise<Answer>): Promise<Answer> {
    if (closed) throw new StorageUnavailableError('closed')
    if (pool.waitingCount >= capacity) throw new StorageUnavailableError('overloaded')
    const answer = request()
    underWay.add(answer)
    try {
      return await answer
    } catch (error) {
      throw asUnavailable(error)
    } finally {
      underWay.delete(answer)
    }
  }

  async function timed<Answer>(runBatch: () => Promise<Answer>): Promise<Answer> {
    const startedAt = performance.now()
    const answer = await runBatch()
    const seconds = (performance.now() - startedAt) / 1000
    if (answer !== undefined) options.observe?.({ kind: 'committed', units: 1, seconds })
    return answer
  }

  const query = (...statement: [never]) => admit<unknown>(() => pool.query(...statement))
  const db = drizzle({ client: { query } as unknown as pg.Pool })
  unwrapErrors(db)
  const runBatch = batchOn(() => pool.connect(), chains)
  return {
    db: db as unknown as Queries,
    tables,
    chains,
    batch: (build) => admit(() => timed(() => runBatch(build))),
    async ping() {
      await admit(() => pool.query(rewriteMigrations))
    },
    condition: () => admit(() => conditionOf(pool)),
    waiting: () => pool.waitingCount,
    extent: () => admit(() => extentOf(pool)),
    async close() {
      if (closed) return
      closed = true
      await Promise.allSettled(underWay)
      await pool.end()
    },
  }
}

/**
 * A connection that breaks says so to whoever waits for an answer on it, and the pool replaces it. But an event
 * nobody listens for would end the process.
 */
function ignore(): void {}

/** Brings the schema up to date on a connection without a time limit, and checks that commits are durable. */
async function prepare(client: pg.Client, { access, beforeMigrations }: PostgresOptions): Promise<void> {
  client.on('error', ignore)
  try {
    await client.connect()
    const { rows } = await client.query<{ setting: string }>(
      `SELECT current_setting('synchronous_commit') AS setting`,
    )
    if (rows[0]?.setting === 'off' && access === 'write') {
      throw new TypeError(
        'the PostgreSQL server says synchronous_commit = off: it would forget answered writes',
      )
    }
    await beforeMigrations(
      await storedChecks(client),
      sealedUse(async (statement) => (await client.query(statement)).rows, sealedPlaces),
    )
    if (access === 'write') await migrate(client)
  } catch (error) {
    throw asUnavailable(error)
  } finally {
    await client.end()
  }
}

async function storedChecks(client: pg.Client): Promise<StoredCheck[]> {
  const found = await client.query<{ name: string | null }>(`SELECT to_regclass('key_checks') AS name`)
  if (found.rows[0]?.name === null) return []
  return (await client.query<StoredCheck>(selectChecks)).rows
}
