import { setTimeout as pauseFor } from 'node:timers/promises'
import { auditEvent } from '../audit/event.ts'
import type { Clock } from '../lib/clock.ts'
import { SealError, type Sealer } from '../lib/seal.ts'
import type { ChoreLease } from '../storage/chores.ts'
import { renewCheck } from '../storage/key-check.ts'
import type { ResealTurn } from '../storage/reseals.ts'
import { placeOf, type SealedColumn, type SealedRow } from '../storage/sealed-values.ts'
import type { Store } from '../storage/store.ts'

/** Rows that are looked at in one go, between two of which others have their turn. */
const batch = 100

/** Passes over everything: what others sealed meanwhile lies behind the place that was reached. */
const mostPasses = 5

type Parts = {
  store: Pick<Store, 'keyChecks' | 'reseals' | 'sealedValues'>
  sealer: Sealer
  clock: Clock
  /** Between two batches, for whoever waits for an answer. */
  pause?: () => Promise<void>
}

export type Resealing = {
  /** Whether a wrapping of all values by the key this process seals with was asked for, and is not done. */
  isWanted(): Promise<boolean>
  /** Goes on with it until it is done, or another's turn; after an abort, until the batch that is under way is done. */
  goOn(turn: ChoreLease & { signal: AbortSignal }): Promise<void>
}

/** One look at all values: whether any was not as it should be, and how many of those open under no key. */
type Pass = { outcome: 'done'; changed: boolean; unopened: number } | { outcome: 'lost' }

/**
 * Wraps the data key of every sealed value by the sealing key, in small batches beside everything else. A row is only
 * changed where the value is still the one that was read, so whatever others write stays; a value names its key, so
 * after a crash those that are done are passed over, and no place has to be remembered.
 */
export function createResealing(parts: Parts): Resealing {
  const { store, sealer, clock, pause = async () => await pauseFor(10) } = parts
  const [sealing = ''] = sealer.keyIds

  async function finish(turn: ResealTurn, unopened: number): Promise<void> {
    const finishedAt = clock()
    const detail = { master_key_id: sealing, unopened }
    const event = auditEvent(finishedAt, { event: 'master_keys.resealed', actor: 'gateway', detail })
    await store.reseals.finish(turn, { unopened, finishedAt }, event)
  }

  async function lookAtAll(turn: ResealTurn, signal: AbortSignal): Promise<Pass> {
    const prefix = await sealer.currentPrefix()
    let changed = false
    let unopened = 0
    for (const column of store.sealedValues.columns) {
      for await (const rows of pagesOf(store, column, batch)) {
        const done = await Promise.all(
          rows
            .filter(({ sealed }) => sealed !== null && !sealed.startsWith(prefix))
            .map((row) => reseal(column, row)),
        )
        changed ||= done.some((each) => each !== 'unopened')
        unopened += done.filter((each) => each === 'unopened').length
        const resealed = done.filter((each) => each === 'resealed').length
        if (resealed > 0 && !(await store.reseals.advance(turn, resealed))) return { outcome: 'lost' }
        if (signal.aborted) return { outcome: 'lost' }
        await pause()
      }
    }
    return { outcome: 'done', changed, unopened }
  }

  async function reseal(
    column: SealedColumn,
    row: SealedRow,
  ): Promise<'resealed' | 'overtaken' | 'unopened'> {
    try {
      const fresh = await sealer.rewrap(row.sealed ?? '', placeOf(column, row))
      return (await store.sealedValues.replace(column, row, fresh)) ? 'resealed' : 'overtaken'
    } catch (error) {
      if (error instanceof SealError) return 'unopened'
      throw error
    }
  }

  return {
    async isWanted() {
      const asked = await store.reseals.find()
      return asked !== undefined && asked.finishedAt === null && asked.masterKeyId === sealing
    },

    async goOn({ signal, ...lease }) {
      const turn = { lease, masterKeyId: sealing }
      await renewCheck(store, sealer)
      for (let passes = 1; passes <= mostPasses; passes++) {
        const pass = await lookAtAll(turn, signal)
        if (pass.outcome === 'lost') return
        if (pass.changed && passes < mostPasses) continue
        return await finish(turn, pass.unopened)
      }
    },
  }
}

/** A column's rows, so many at a time. */
export async function* pagesOf(
  { sealedValues }: Pick<Store, 'sealedValues'>,
  column: SealedColumn,
  size: number,
): AsyncGenerator<SealedRow[]> {
  let after = ''
  for (;;) {
    const rows = await sealedValues.page(column, after, size)
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (!last || rows.length < size) return
    after = last.id
  }
}
