import type { PoolClient } from 'pg'
import type { Batch, Queries } from '../dialect.ts'
import { overPostgres } from '../drizzle.ts'
import { checkHandle, unwrapErrors } from '../query-errors.ts'
import { StorageUnavailableError } from '../unavailable.ts'
import { asUnavailable, gaveWay } from './faults.ts'

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
export function batchOn(connect: () => Promise<PoolClient>): Batch {
  const batch = async (build: Build) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await runOnce(await connect(), build)
      } catch (error) {
        if (!gaveWay(error) || attempt === attempts) throw error
      }
    }
  }
  return batch as Batch
}

async function runOnce(client: PoolClient, build: Build) {
  let usable = true
  try {
    await client.query(begin)
    const outcome = await runStatements(client, build)
    await client.query(outcome ? 'COMMIT' : 'ROLLBACK')
    return outcome
  } catch (cause) {
    const error = asUnavailable(cause)
    usable = !(error instanceof StorageUnavailableError) && (await rolledBack(client))
    throw error
  } finally {
    client.release(!usable)
  }
}

async function runStatements(client: PoolClient, build: Build) {
  const db = drizzle({ client })
  unwrapErrors(db)
  const { guard, writes } = build(db as unknown as Queries)
  checkHandle(db, [guard, ...writes])
  const guarded = await guard
  if (guarded.length === 0) return undefined
  const rows: unknown[][] = []
  for (const write of writes) rows.push(await write)
  return { guard: guarded, rows }
}

async function rolledBack(client: PoolClient): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  )
}
