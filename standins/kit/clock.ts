import type { Clock } from '../../src/lib/clock.ts'

export type VirtualClock = {
  now: Clock
  /** How far this clock runs ahead of the one it stands on, in seconds. */
  offset(): number
  setOffset(seconds: number): void
  advance(seconds: number): void
}

/** A clock that runs with another one and can be moved against it. */
export function createVirtualClock(base: Clock): VirtualClock {
  let offset = 0
  return {
    now: () => base() + offset,
    offset: () => offset,
    setOffset(seconds) {
      offset = seconds
    },
    advance(seconds) {
      offset += seconds
    },
  }
}
