import type { Clock } from './clock.ts'

/** Calls for which a clock has to say what it says before it is believed. */
const believedAfter = 12

/**
 * What may be deleted for good by: the earliest of what the clock said at this call and the dozen before it, so that one
 * which jumps ahead takes nothing while somebody can still set it right. `undefined`: it was not asked often enough yet.
 */
export function createBelievedTime(clock: Clock): () => number | undefined {
  const said: number[] = []
  return () => {
    said.push(clock())
    if (said.length <= believedAfter) return undefined
    said.splice(0, said.length - believedAfter - 1)
    return Math.min(...said)
  }
}
