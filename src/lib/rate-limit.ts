/** So many at once, and again so many over a window of seconds: a bucket that fills up evenly. */
export type Rate = { limit: number; window: number }

export type RateLimiter = {
  /** Takes one for a key. Answers 0, or the seconds after which this key may take one again; then nothing is taken. */
  take(key: string, now: number): number
}

/** Keys remembered at once. */
const capacity = 10_000

/**
 * Remembers, for each key, when its bucket will be full again, in units of 1/limit seconds, in which everything is a
 * whole number (the virtual scheduling of ITU-T I.371). A key whose bucket is full is as good as forgotten.
 *
 * Where more keys are under way than it remembers, those that took least are forgotten first, and one that may
 * take no more is never forgotten: coming from many addresses resets nobody. Where all of them are such, new keys wait.
 */
export function createRateLimiter({ limit, window }: Rate, keys = capacity): RateLimiter {
  const fullAt = new Map<string, number>()
  const untilFree = (at: number, now: number) => Math.max(0, Math.ceil((at + window) / limit - now - window))
  // Nothing takes longer than a window to fill, unless the clock was set back: nobody is locked out for that.
  const isFull = (at: number, now: number) => at <= now * limit || at > (now + window) * limit
  return {
    take(key, now) {
      if (!fullAt.has(key) && fullAt.size >= keys) {
        for (const [key, at] of fullAt) if (isFull(at, now)) fullAt.delete(key)
        forget(fullAt, keys, (at) => untilFree(at, now) === 0)
        if (fullAt.size >= keys)
          return Math.max(
            1,
            soonest(fullAt, (at) => untilFree(at, now)),
          )
      }
      const before = fullAt.get(key) ?? 0
      const at = isFull(before, now) ? now * limit : before
      const wait = untilFree(at, now)
      fullAt.set(key, wait === 0 ? at + window : at)
      return wait
    },
  }
}

/** Makes room for a tenth, so that the search is paid for once in as many calls. */
function forget(fullAt: Map<string, number>, keys: number, mayTakeMore: (at: number) => boolean): void {
  const surplus = fullAt.size - Math.floor(keys * 0.9)
  if (surplus <= 0 || fullAt.size < keys) return
  const forgettable = [...fullAt].filter(([, at]) => mayTakeMore(at)).toSorted(([, a], [, b]) => a - b)
  for (const [key] of forgettable.slice(0, surplus)) fullAt.delete(key)
}

function soonest(fullAt: ReadonlyMap<string, number>, wait: (at: number) => number): number {
  let least = Number.POSITIVE_INFINITY
  for (const at of fullAt.values()) least = Math.min(least, wait(at))
  return least
}
