import type pg from 'pg'
import type { QueryConfig, QueryResult } from 'pg'
import type { Chains } from '../audit-links.ts'
import type { Access, BeforeMigrations, Database } from '../database.ts'
import type { Queries } from '../dialect.ts'
import { overPostgres } from '../drizzle.ts'
import { rewriteMigrations } from '../migrations.ts'
import { unwrapErrors } from '../query-errors.ts'
import type { GateOptions } from '../sqlite/gate.ts'
import { StorageUnavailableError } from '../unavailable.ts'
import type { PostgresAddress } from './address.ts'
import { batchOn } from './batch.ts'
import { conditionOf, extentOf } from './condition.ts'
import { applicationName, type Wish, whoIsLookedAt } from './connect.ts'
import { openConnections } from './connections.ts'
import { asUnavailable } from './faults.ts'
import { prepare } from './prepare.ts'
import { createStatementNames } from './statement-names.ts'
import { tables } from './tables.ts'
import { type RunUnit, transact, unitsOn } from './units.ts'

const { drizzle } = overPostgres()

export type PostgresOptions = {
  /** How many connections it may have at once. */
  connections: number
  /** Seconds a statement may take. */
  timeout: number
  /** How many requests may wait for a connection at once. */
  capacity: number
  beforeMigrations: BeforeMigrations
  access: Access
  /** Told of every batch that was committed. */
  observe?: GateOptions['observe']
  chains: Chains
}

export async function openPostgres(
  address: PostgresAddress,
  options: PostgresOptions,
): Promise<Omit<Database, 'commits'>> {
  const { timeout, capacity, access, chains, observe } = options
  const wish = wishOf(address, options)
  const { session } = await prepare(address, wish, options).catch(rejectUnavailable)
  const connections = openConnections(address, options.connections, { ...wish, limits: session.limits })
  const runUnit = unitsOn({
    connections,
    names: createStatementNames(session.lasts ? 'lasting' : 'shared'),
    // Longer than a statement may take, so that the server can say so itself.
    patience: timeout * 1500,
    onGaveWay: () => observe?.({ kind: 'busy', waiting: connections.waiting }),
  })

  let closed = false
  const underWay = new Set<Promise<unknown>>()
  /** The pool would take any number of requests, and forget those that still wait when it ends. */
  async function admit<Answer>(request: () => Promise<Answer>): Promise<Answer> {
    if (closed) throw new StorageUnavailableError('closed')
    if (connections.waiting >= capacity) throw new StorageUnavailableError('overloaded')
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
    if (answer !== undefined) observe?.({ kind: 'committed', units: 1, seconds })
    return answer
  }

  const begin = beginning(access, wish.limits)
  const runAlone = aloneOn(runUnit, { begin, plainReads: access !== 'read' && session.isBounded })
  const query = (statement: QueryConfig, values?: unknown[]) => admit(() => runAlone(statement, values))
  const db = drizzle({ client: { query } as unknown as pg.Pool })
  unwrapErrors(db)
  const runBatch = batchOn(runUnit, begin, chains)
  return {
    db: db as unknown as Queries,
    tables,
    chains,
    batch: (build) => admit(() => timed(() => runBatch(build))),
    async ping() {
      await query({ text: rewriteMigrations })
    },
    condition: () => conditionOf(query, connections),
    waiting: () => connections.waiting,
    extent: () => extentOf(query),
    async close() {
      if (closed) return
      closed = true
      await Promise.allSettled(underWay)
      await connections.end()
    },
  }
}

/** A lock, or a connection, is waited for half as long as for what it is wanted for. */
function wishOf(
  address: PostgresAddress,
  { timeout, access }: PostgresOptions,
): Wish & Required<Pick<Wish, 'limits'>> {
  return {
    name: access === 'read' ? 'coatcheck looks' : applicationName,
    server: access === 'read' ? whoIsLookedAt(address) : 'primary',
    patience: timeout * 500,
    limits: {
      statement_timeout: timeout * 1000,
      lock_timeout: timeout * 500,
      idle_in_transaction_session_timeout: timeout * 1000,
    },
  }
}

/**
 * A process that stands still inside a transaction must not hold its rows for long. Said in each of them, not once per
 * connection, which a pooler between here and the server would not keep.
 */
function beginning(access: Access, limits: object): string {
  const begin = access === 'read' ? 'BEGIN READ ONLY' : 'BEGIN'
  return [begin, ...Object.entries(limits).map(([name, value]) => `SET LOCAL ${name} = ${value}`)].join('; ')
}

/**
 * What is no batch: one statement. A write is a transaction also by itself, so that a connection that turns out to be
 * broken is found out before there is anything to lose; so is a read whose time nothing else would limit.
 */
function aloneOn(runUnit: RunUnit, { begin, plainReads }: { begin: string; plainReads: boolean }) {
  return (statement: QueryConfig, values?: unknown[]): Promise<QueryResult> =>
    runUnit(async (line, progress) => {
      const run = () => line.query(statement, values)
      if (plainReads && isRead(statement)) return await run()
      const answer = await transact(begin, line, progress, run)
      if (!answer) throw new TypeError('a statement has no answer')
      return answer
    })
}

const isRead = ({ text }: QueryConfig) => /^\(*select\b/i.test(text)

function rejectUnavailable(error: unknown): never {
  throw asUnavailable(error)
}
