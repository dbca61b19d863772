import { setImmediate as turn } from 'node:timers/promises'
import { masterKeyIdOf, SealError, type Sealer } from '../lib/seal.ts'
import { placeOf, type SealedColumn, type Tally } from '../storage/sealed-values.ts'
import type { Store } from '../storage/store.ts'
import { pagesOf } from './reseal.ts'

/** Rows in memory at once. */
const page = 500

type Stored = { store: Pick<Store, 'sealedValues'> }

/** How many values a master key wraps, by table; `stale` of them would be wrapped otherwise now. */
export type KeyUse = { byTable: Record<string, number>; total: number; stale: number }

/**
 * How many values each master key wraps. Looks at all of them, some at a time, so it is never quick and never in
 * anybody's way. What is no sealed value counts for a key without a name.
 */
export async function countUse(
  { store }: Stored,
  currentPrefix: string,
  atOnce = 1_000,
): Promise<Map<string, KeyUse>> {
  const uses = new Map<string, KeyUse>()
  for (const column of store.sealedValues.columns) {
    const tallies = talliesOf({ store }, column, currentPrefix, atOnce)
    for await (const { beginning, rows, stale } of tallies) {
      if (beginning === null) continue
      const id = masterKeyIdOf(beginning) ?? ''
      const use = uses.get(id) ?? { byTable: {}, total: 0, stale: 0 }
      use.byTable[column.table] = (use.byTable[column.table] ?? 0) + rows
      use.total += rows
      use.stale += stale
      uses.set(id, use)
    }
  }
  return uses
}

/** Where the database is SQLite, nobody is served while it counts, so others have their turn in between. */
async function* talliesOf(
  { store }: Stored,
  column: SealedColumn,
  prefix: string,
  atOnce: number,
): AsyncGenerator<Tally> {
  let after = ''
  for (;;) {
    const tallies = await store.sealedValues.tally(column, after, atOnce, prefix)
    yield* tallies
    const rows = tallies.reduce((sum, each) => sum + each.rows, 0)
    if (rows < atOnce) return
    for (const { last } of tallies) if (last > after) after = last
    await turn()
  }
}

/** A value that does not open, by where it is. */
export type Unopened = { table: string; column: string; row: string; reason: 'no_key' | 'does_not_open' }

export type Verified = { values: number; unopened: Unopened[] }

/** Opens every sealed value there is, and tells which do not; nothing of what they hold. */
export async function verifyAll({ store, sealer }: Stored & { sealer: Sealer }): Promise<Verified> {
  const verified: Verified = { values: 0, unopened: [] }
  for (const column of store.sealedValues.columns) {
    for await (const rows of pagesOf(store, column, page)) {
      for (const row of rows) {
        if (row.sealed === null) continue
        verified.values++
        const id = masterKeyIdOf(row.sealed)
        const opens = await sealer.open(row.sealed, placeOf(column, row)).then(
          () => true,
          (error: unknown) => {
            if (error instanceof SealError) return false
            throw error
          },
        )
        if (opens) continue
        const reason = id !== undefined && !sealer.keyIds.includes(id) ? 'no_key' : 'does_not_open'
        verified.unopened.push({ table: column.table, column: column.column, row: row.id, reason })
      }
    }
  }
  return verified
}
