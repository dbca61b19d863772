import { setTimeout as pauseFor } from 'node:timers/promises'
import { auditEvent } from '../audit/event.ts'
import type { Clock } from '../lib/clock.ts'
import { SealError, type Sealer } from '../lib/seal.ts'
import { newId } from '../lib/secret.ts'
import type { ResealLease } from '../storage/reseals.ts'
import { placeOf, type SealedColumn, type SealedRow } from '../storage/sealed-values.ts'
import type { Store } from '../storage/store.ts'

/** Rows that are looked at in one go, between two of which others have their turn. */
const batch = 100

/** Seconds after which somebody else may go on where a process stopped. */
const leaseLifetime = 5

/** Passes over everything: what others sealed meanwhile lies behind the place that was reached. */
const mostPasses = 5

type Parts = {
  store: Pick<Store, 'reseals' | 'sealedValues'>
  sealer: Sealer
  clock: Clock
  /** Between two batches, for whoever waits for an answer. */
  pause?: () => Promise<void>
}

export type Resealing = {
  /** Goes on with a wrapping of all values that was asked for, where nobody is at it. */
  runDue(): Promise<void>
  /** Lets go after the batch that is under way. */
  stop(): Promise<void>
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
  const holder = newId('resealer_')
  const [sealing = ''] = sealer.keyIds
  let running: Promise<void> | undefined
  let isStopping = false

  const lease = (): ResealLease => ({ holder, leaseEndsAt: clock() + leaseLifetime })

  async function run(): Promise<void> {
    const found = await store.reseals.find()
    if (!found || found.finishedAt !== null || found.masterKeyId !== sealing) return
    if (!(await store.reseals.take(sealing, lease(), clock()))) return
    try {
      for (let passes = 1; passes <= mostPasses; passes++) {
        const pass = await lookAtAll()
        if (pass.outcome === 'lost') break
        if (pass.changed && passes < mostPasses) continue
        return await finish(pass.unopened)
      }
    } finally {
      await store.reseals.release({ holder })
    }
  }

  async function finish(unopened: number): Promise<void> {
    const finishedAt = clock()
    const detail = { master_key_id: sealing, unopened }
    const event = auditEvent(finishedAt, { event: 'master_keys.resealed', actor: 'gateway', detail })
    await store.reseals.finish({ holder }, { unopened, finishedAt }, event)
  }

  async function lookAtAll(): Promise<Pass> {
    const prefix = await sealer.currentPrefix()
    let changed = false
    let unopened = 0
    let untold = 0
    let toldAt = clock()
    for (const column of store.sealedValues.columns) {
      for await (const rows of pagesOf(store, column, batch)) {
        const done = await Promise.all(
          rows
            .filter(({ sealed }) => sealed !== null && !sealed.startsWith(prefix))
            .map((row) => reseal(column, row)),
        )
        changed ||= done.some((each) => each !== 'unopened')
        unopened += done.filter((each) => each === 'unopened').length
        untold += done.filter((each) => each === 'resealed').length
        if (isStopping) return { outcome: 'lost' }
        if (untold > 0 || clock() > toldAt) {
          if (!(await store.reseals.advance(lease(), untold))) return { outcome: 'lost' }
          untold = 0
          toldAt = clock()
        }
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
    async runDue() {
      if (isStopping) return
      running ??= run().finally(() => {
        running = undefined
      })
      await running
    },
    async stop() {
      isStopping = true
      await running?.catch(() => {})
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
