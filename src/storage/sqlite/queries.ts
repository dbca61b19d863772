import { type NewAuditEvent, recordEvent } from '../audit-events.ts'
import type { Batch, Queries, Statement } from '../dialect.ts'
import { overSqlite } from '../drizzle.ts'
import { checkHandle, unwrapErrors } from '../query-errors.ts'
import type { Gate } from './gate.ts'
import type { Query } from './statements.ts'
import { tables } from './tables.ts'

const { drizzle } = overSqlite()

/** drizzle's way through the gate, one statement at a time and in batches. */
export function connectDrizzle(gate: Gate): { db: Queries; batch: Batch } {
  const single = drizzle(async (sql, params) => ({ rows: await gate.run({ sql, params }) }))
  unwrapErrors(single)

  const batched = drizzle(refuseToRun, async ([guard, ...writes]) => {
    const results = guard ? await gate.runGuarded(guard, writes) : undefined
    return results?.map((rows) => ({ rows })) ?? []
  })
  const runAll = batched.batch.bind(batched) as unknown as (all: readonly Statement[]) => Promise<unknown[][]>

  const batch = async (build: Parameters<Batch>[0]) => {
    const { guard, writes } = build(batched as unknown as Queries)
    checkHandle(batched, [guard, ...writes])
    const [guarded, ...rows] = await runAll([guard, ...writes])
    return guarded && { guard: guarded, rows }
  }
  return { db: single as unknown as Queries, batch: batch as Batch }
}

const unconnected = drizzle(refuseToRun) as unknown as Queries

/** The statement that writes an event, as the gate takes it. */
export function eventQuery(event: NewAuditEvent): Query {
  const statement = recordEvent(unconnected, tables, event) as unknown as {
    _prepare(): { getQuery(): Query }
  }
  return statement._prepare().getQuery()
}

async function refuseToRun(): Promise<never> {
  throw new TypeError('a statement of a batch must not be awaited by itself')
}
