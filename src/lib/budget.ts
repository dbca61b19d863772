import type { Clock } from './clock.ts'

export type Budget = {
  /** Takes one from what a key may spend in the present window; false where nothing is left. */
  spend(key: string): boolean
}

/** Keys remembered at once. */
const capacity = 10_000

/** So much for every key in each window of seconds. The key that began longest ago is forgotten first. */
export function createBudget({ limit, window }: { limit: number; window: number }, clock: Clock): Budget {
  const spent = new Map<string, { count: number; until: number }>()
  return {
    spend(key) {
      const now = clock()
      const before = spent.get(key)
      if (before && before.until > now) {
        before.count += 1
        return before.count <= limit
      }
      spent.delete(key)
      spent.set(key, { count: 1, until: now + window })
      const [oldest] = spent.keys()
      if (spent.size > capacity && oldest !== undefined) spent.delete(oldest)
      return true
    },
  }
}
