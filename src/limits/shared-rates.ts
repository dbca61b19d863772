import { type Clock, clockMargin } from '../lib/clock.ts'
import { longestDebt, type RateLimiter, type Taken } from '../lib/rate-limit.ts'
import type { Store } from '../storage/store.ts'
import { type RateName, rateWindow, sharedRates } from './rates.ts'

/** Keys of one rate that are told of at once: a flood from many addresses must not become one of writes. */
const mostOfRate = 200

/** Keys that are learnt of at once, those first that took most. */
const mostLearnt = 2_000

type Sharing = {
  limiters: Readonly<Record<RateName, RateLimiter>>
  store: Pick<Store, 'rateLevels'>
  clock: Clock
}

/**
 * Answers what tells the other processes over this database what was taken of the shared rates, and learns what they
 * took (docs/decisions/0029). Nothing waits for it: where it fails, each process goes on counting for itself, and what
 * was not told is told next time.
 */
export function createRateSharing({ limiters, store, clock }: Sharing): () => Promise<void> {
  let known = 0
  return async () => {
    const now = clock()
    const taken = new Map<RateName, Taken[]>()
    for (const rate of sharedRates) taken.set(rate, limiters[rate].unshared(mostOfRate, now))
    const told = [...taken].flatMap(([rate, those]) =>
      those.map(({ key, takenMicros, fullAtMicros }) => ({ keyHash: key, rate, takenMicros, fullAtMicros })),
    )
    const added = await store.rateLevels.add(told, { now, most: longestDebt * rateWindow })
    for (const [rate, those] of taken) limiters[rate].share(those, now)
    const changed = await store.rateLevels.changedSince(known, now, mostLearnt)
    for (const { keyHash, rate, fullAtMicros } of [...added, ...changed]) {
      if (isShared(rate)) limiters[rate].learn(keyHash, fullAtMicros, clock())
    }
    known = now - clockMargin
  }
}

const isShared = (rate: string): rate is RateName => sharedRates.some((name) => name === rate)
