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
}

/** Keys remembered at once. */
const capacity = 10_000

/**
 * Remembers, for each key, when its bucket will be full again, in units of 1/limit seconds, in which everything is a
 * whole number (the virtual scheduling of ITU-T I.371). A key whose bucket is full is as good as forgotten.
 *
 * Where more keys are under way than it remembers, those that took least are forgotten, and from then on every key
 * that is not remembered counts as having taken as much as the most that one of them had (as in the Space-Saving
 * sketch of Metwally et al.): coming from many addresses makes nobody anew. New keys begin with less for it, and wait
 * only where more than `keys` times the limit was taken within a window.
 */
export function createRateLimiter({ limit, window }: Rate, keys = capacity): RateLimiter {
  const fullAt = new Map<string, number>()
  let forgotten = 0
  // Nothing takes longer than a window to fill, unless the clock was set back: nobody is locked out for that.
  const isFull = (at: number, now: number) => at <= now * limit || at > (now + window) * limit
  const levelOf = (key: string, now: number) => {
    const at = fullAt.get(key) ?? forgotten
    return isFull(at, now) ? now * limit : at
  }
  const untilFree = (at: number, now: number) => Math.max(0, Math.ceil((at + window) / limit - now - window))

  function makeRoom(now: number): void {
    for (const [key, at] of fullAt) if (isFull(at, now)) fullAt.delete(key)
    // A tenth at once, so that the search is paid for once in as many new keys.
    let surplus = fullAt.size - Math.floor(keys * 0.9)
    if (surplus <= 0) return
    const most = Float64Array.from(fullAt.values()).sort()[surplus - 1] ?? 0
    for (const [key, at] of fullAt) if (at <= most && surplus-- > 0) fullAt.delete(key)
    forgotten = isFull(forgotten, now) ? most : Math.max(forgotten, most)
  }

  return {
    take(key, now) {
      if (fullAt.size >= keys && !fullAt.has(key)) makeRoom(now)
      const at = levelOf(key, now)
      const wait = untilFree(at, now)
      if (wait === 0) fullAt.set(key, at + window)
      return wait
    },
    wait: (key, now) => untilFree(levelOf(key, now), now),
    taken: (key, now) => Math.ceil((levelOf(key, now) - now * limit) / window),
    size: () => fullAt.size,
  }
}
