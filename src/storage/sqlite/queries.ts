import type { Batch, Queries, Statement } from '../dialect.ts'
import { overSqlite } from '../drizzle.ts'
import { checkHandle, unwrapErrors } from '../query-errors.ts'
import type { Gate } from './gate.ts'

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

async function refuseToRun(): Promise<never> {
  throw new TypeError('a statement of a batch must not be awaited by itself')
}
