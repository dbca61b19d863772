import type { PoolClient, QueryConfig } from 'pg'
import { type NewAuditEvent, recordEvent } from '../audit-events.ts'
import { type Chains, eventIn, type Links, withLink } from '../audit-links.ts'
import type { Batch, Queries } from '../dialect.ts'
import { overPostgres } from '../drizzle.ts'
import { checkHandle, isPlaceTaken, unwrapErrors } from '../query-errors.ts'
import { StorageUnavailableError } from '../unavailable.ts'
import { asUnavailable, gaveWay } from './faults.ts'
import { tables } from './tables.ts'

const { drizzle } = overPostgres()

type Build = Parameters<Batch>[0]

/** Attempts at a batch that had to give way to another transaction. */
const attempts = 3

/**
 * A process that stands still inside a batch must not hold its rows for long. Said in each transaction, not
 * once per connection, which a pooler between here and the server would not keep.
 */
const begin = `BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '10s'`

/** Runs a batch in a transaction of its own, on a connection of its own. */
export function batchOn(connect: () => Promise<PoolClient>, chains: Pick<Chains, 'transaction'>): Batch {
  const batch = async (build: Build) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await runOnce(await connect(), build, chains.transaction())
      } catch (error) {
        if (!gaveWay(error) || attempt === attempts) throw error
      }
    }
  }
  return batch as Batch
}

async function runOnce(client: PoolClient, build: Build, links: Links) {
  let usable = true
  let mayBeCommitted = false
  try {
    await client.query(begin)
    const outcome = await runStatements(client, build, links)
    mayBeCommitted = outcome !== undefined
    await client.query(outcome ? 'COMMIT' : 'ROLLBACK')
    if (!outcome) links.undo(undefined)
    links.settle()
    return outcome
  } catch (cause) {
    const error = asUnavailable(cause)
    usable = !(error instanceof StorageUnavailableError) && (await rolledBack(client))
    if (usable && !mayBeCommitted) {
      links.undo(undefined)
      if (isPlaceTaken(error)) links.abandon()
      links.settle()
    }
    throw error
  } finally {
    client.release(!usable)
  }
}

async function runStatements(client: PoolClient, build: Build, links: Links) {
  const startChain = (start: NewAuditEvent): PromiseLike<unknown> =>
    recordEvent(db as unknown as Queries, tables, start)
  const db = drizzle({ client: linking(client, links, startChain) as unknown as PoolClient })
  unwrapErrors(db)
  const { lock, guard, writes } = build(db as unknown as Queries)
  checkHandle(db, [...(lock ? [lock] : []), guard, ...writes])
  if (lock) await lock
  const guarded = await guard
  if (guarded.length === 0) return undefined
  const rows: unknown[][] = []
  for (const write of writes) rows.push(await write)
  return { guard: guarded, rows }
}

/** The connection as drizzle uses it, with every audit row in its place when it is written. */
function linking(
  client: PoolClient,
  links: Links,
  startChain: (start: NewAuditEvent) => PromiseLike<unknown>,
) {
  return {
    async query(statement: QueryConfig, params: unknown[]) {
      const event = eventIn(params)
      if (!event) return await client.query(statement, params)
      const start = links.startBefore(event)
      if (start) await startChain(start)
      return await client.query(statement, withLink(params, links.next(event)))
    },
  }
}

async function rolledBack(client: PoolClient): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  )
}
