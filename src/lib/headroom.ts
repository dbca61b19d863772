import { putBounded } from './bounded-map.ts'
import type { Clock } from './clock.ts'

export type Headroom = {
  /** Takes a place where one is known to be left; where none is, whoever asks has to count. */
  take(key: string): boolean
  /** How many places a count found left. */
  note(key: string, left: number): void
}

/** Seconds after which a count is done again: another process may have taken what it found. */
const lifetime = 10
const capacity = 10_000

/** Remembers how much room the last count found, so that not everybody who takes a place has to count them all. */
export function createHeadroom(clock: Clock): Headroom {
  const known = new Map<string, { left: number; at: number }>()
  return {
    take(key) {
      const room = known.get(key)
      if (!room || room.left < 1 || clock() - room.at >= lifetime) return false
      room.left--
      return true
    },
    note: (key, left) => putBounded(known, key, { left, at: clock() }, capacity),
  }
}
