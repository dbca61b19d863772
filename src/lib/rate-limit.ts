import { clockMargin } from './clock.ts'

/** So many at once, and again so many over a window of seconds: a bucket that fills up evenly. */
export type Rate = { limit: number; window: number }

export type RateLimiter = {
  /** Takes one for a key. Answers 0, or the seconds after which this key may take one again; then nothing is taken. */
  take(key: string, now: number): number
  /** What `take` would answer; nothing is taken. */
  wait(key: string, now: number): number
  /** How much of the limit a key has just now taken. */
  taken(key: string, now: number): number
  /** How many keys it remembers just now. */
  size(): number
  /** What keys took that other processes should know of and do not, of so many keys at most. */
  unshared(most: number, now: number): Taken[]
  /** Has them known. */
  share(taken: readonly Taken[], now: number): void
  /** When a key's bucket is full again, as far as all processes together know what was shared; in microseconds. */
  learn(key: string, fullAtMicros: number, now: number): void
}

/** What a key took: how often, by how much later its bucket is full for it, and when, as far as is known here. */
export type Taken = { key: string; count: number; takenMicros: number; fullAtMicros: number }

/** Keys remembered at once. */
const capacity = 10_000

/** What a key takes matters to other processes where it is more than so much of the limit within a window. */
const mattering = 0.1

/** How many windows a bucket takes to fill at most: several processes together may have let through more than a limit. */
export const longestDebt = 2

type Bucket = {
  /** When it is full again, in units of 1/limit seconds. */
  fullAt: number
  /** Taken since `since` and not shared yet. */
  unshared: number
  since: number
  /** Until then whatever is taken is shared. */
  matteringUntil: number
}

/**
 * Remembers, for each key, when its bucket will be full again, in units of 1/limit seconds, in which everything is a
 * whole number (the virtual scheduling of ITU-T I.371). A key whose bucket is full is as good as forgotten.
 *
 * Where more keys are under way than it remembers, those that took least are forgotten, and from then on every key
 * that is not remembered counts as having taken as much as the most that one of them had (as in the Space-Saving
 * sketch of Metwally et al.): coming from many addresses makes nobody anew. New keys begin with less for it, and wait
 * only where more than `keys` times the limit was taken within a window.
 *
 * Decides alone. Several processes hold to one limit by telling each other, now and then, what was taken of the keys
 * that matter (docs/decisions/0029).
 */
export function createRateLimiter({ limit, window }: Rate, keys = capacity): RateLimiter {
  const buckets = new Map<string, Bucket>()
  const toShare = new Set<string>()
  let forgotten = 0
  // Nothing takes longer to fill, unless the clock was set back: nobody is locked out for that.
  const isFull = (at: number, now: number) => at <= now * limit || at > (now + longestDebt * window) * limit
  const levelOf = (key: string, now: number) => {
    const at = buckets.get(key)?.fullAt ?? forgotten
    return isFull(at, now) ? now * limit : at
  }
  const micros = (units: number) => Math.round((units * 1e6) / limit)
  const untilFree = (at: number, now: number) => Math.max(0, Math.ceil((at + window) / limit - now - window))

  function forget(key: string): void {
    buckets.delete(key)
    toShare.delete(key)
  }

  function makeRoom(now: number): void {
    for (const [key, { fullAt }] of buckets) if (isFull(fullAt, now)) forget(key)
    // A tenth at once, so that the search is paid for once in as many new keys.
    let surplus = buckets.size - Math.floor(keys * 0.9)
    if (surplus <= 0) return
    const levels = Float64Array.from(buckets.values(), ({ fullAt }) => fullAt)
    const most = levels.sort()[surplus - 1] ?? 0
    for (const [key, { fullAt }] of buckets) if (fullAt <= most && surplus-- > 0) forget(key)
    forgotten = isFull(forgotten, now) ? most : Math.max(forgotten, most)
  }

  /** The bucket of a key with what is missing in it, to be remembered. */
  function keep(key: string, fullAt: number, now: number): Bucket {
    const known = buckets.get(key)
    if (known) {
      known.fullAt = fullAt
      return known
    }
    if (buckets.size >= keys) makeRoom(now)
    const bucket = { fullAt, unshared: 0, since: now, matteringUntil: 0 }
    buckets.set(key, bucket)
    return bucket
  }

  function count(key: string, bucket: Bucket, now: number): void {
    // Who takes little for long never has much at once, and yet as much in each of several processes.
    const isAnotherWindow = Math.abs(now - bucket.since) >= window
    if (isAnotherWindow) bucket.since = now
    bucket.unshared = isAnotherWindow ? 1 : bucket.unshared + 1
    if (bucket.matteringUntil > now || bucket.unshared > limit * mattering) toShare.add(key)
  }

  return {
    take(key, now) {
      if (buckets.size >= keys && !buckets.has(key)) makeRoom(now)
      const at = levelOf(key, now)
      const wait = untilFree(at, now)
      if (wait === 0) count(key, keep(key, at + window, now), now)
      return wait
    },
    wait: (key, now) => untilFree(levelOf(key, now), now),
    taken: (key, now) => Math.ceil((levelOf(key, now) - now * limit) / window),
    size: () => buckets.size,
    unshared(most, now) {
      const taken: Taken[] = []
      for (const key of toShare) {
        if (taken.length >= most) break
        const count = buckets.get(key)?.unshared ?? 0
        if (count === 0) toShare.delete(key)
        else {
          const fullAtMicros = now * 1e6 + micros(levelOf(key, now) - now * limit)
          taken.push({ key, count, takenMicros: micros(count * window), fullAtMicros })
        }
      }
      return taken
    },
    share(taken, now) {
      for (const { key, count } of taken) {
        const bucket = buckets.get(key)
        if (!bucket) continue
        bucket.unshared = Math.max(0, bucket.unshared - count)
        bucket.since = now
        bucket.matteringUntil = now + window
        if (bucket.unshared === 0) toShare.delete(key)
      }
    },
    learn(key, fullAtMicros, now) {
      const missing = fullAtMicros - now * 1e6
      // More than anybody owes was told by a clock that is wrong: nobody is locked out for that.
      if (missing <= 0 || missing > (longestDebt * window + clockMargin) * 1e6) return
      const unshared = buckets.get(key)?.unshared ?? 0
      const all = Math.floor((missing * limit) / 1e6) + unshared * window
      const level = now * limit + Math.min(all, longestDebt * window * limit)
      const bucket = keep(key, Math.max(levelOf(key, now), level), now)
      bucket.matteringUntil = now + window
      if (unshared > 0) toShare.add(key)
    },
  }
}
