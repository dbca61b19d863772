import { putBounded } from './bounded-map.ts'
import type { Clock } from './clock.ts'

export type Whereabouts = {
  note(address: string, person: string): void
  /** Who was the last that was lately there. */
  lastAt(address: string): string | undefined
}

export type WhereaboutsBounds = { lifetime: number; addresses?: number; addressesOfOne?: number }

/**
 * Remembers for so many seconds, in this process, who was where. One person keeps few addresses, so that whoever comes
 * from many pushes out their own and nobody else's.
 */
export function createWhereabouts(
  { lifetime, addresses = 10_000, addressesOfOne = 10 }: WhereaboutsBounds,
  clock: Clock,
): Whereabouts {
  const visits = new Map<string, { person: string; at: number }>()
  const ofPerson = new Map<string, Map<string, true>>()
  return {
    note(address, person) {
      const theirs = ofPerson.get(person) ?? new Map<string, true>()
      const [oldest] = theirs.keys()
      if (oldest !== undefined && theirs.size >= addressesOfOne && !theirs.has(address)) {
        // Somebody else may have been there since.
        if (visits.get(oldest)?.person === person) visits.delete(oldest)
      }
      putBounded(theirs, address, true, addressesOfOne)
      putBounded(ofPerson, person, theirs, addresses)
      putBounded(visits, address, { person, at: clock() }, addresses)
    },
    lastAt(address) {
      const visit = visits.get(address)
      return visit && clock() - visit.at < lifetime ? visit.person : undefined
    },
  }
}
