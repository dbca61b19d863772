import { putBounded } from './bounded-map.ts'
import type { Clock } from './clock.ts'

export type Memory = {
  note(key: string): void
  /** Whether the key was noted lately. */
  knows(key: string): boolean
}

/** Keys remembered at once. */
const capacity = 10_000

/** Remembers keys for so many seconds, in this process. The one that was noted longest ago is forgotten first. */
export function createMemory({ lifetime }: { lifetime: number }, clock: Clock, keys = capacity): Memory {
  const notedAt = new Map<string, number>()
  return {
    note: (key) => putBounded(notedAt, key, clock(), keys),
    knows(key) {
      const at = notedAt.get(key)
      // A clock that was put back makes nothing known for longer.
      return at !== undefined && Math.abs(clock() - at) < lifetime
    },
  }
}
