import { putBounded } from './bounded-map.ts'
import type { Clock } from './clock.ts'

export type Whereabouts = {
  /** Somebody is, or was at that time, at an address. */
  note(address: string, person: string, at?: number): void
  /** Who was the last that was lately there. */
  lastAt(address: string): string | undefined
}

export type WhereaboutsBounds = { lifetime: number; addresses?: number; addressesOfOne?: number }

/** Addresses remembered at once. */
export const mostAddresses = 10_000

/**
 * Remembers for so many seconds, in this process, who was where. One person keeps few addresses, so that whoever comes
 * from many pushes out their own and nobody else's.
 */
export function createWhereabouts(
  { lifetime, addresses = mostAddresses, addressesOfOne = 10 }: WhereaboutsBounds,
  clock: Clock,
): Whereabouts {
  const visits = new Map<string, { person: string; at: number }>()
  const ofPerson = new Map<string, Map<string, true>>()
  return {
    note(address, person, at = clock()) {
      if ((visits.get(address)?.at ?? 0) > at) return
      const theirs = ofPerson.get(person) ?? new Map<string, true>()
      const [oldest] = theirs.keys()
      if (oldest !== undefined && theirs.size >= addressesOfOne && !theirs.has(address)) {
        // Somebody else may have been there since.
        if (visits.get(oldest)?.person === person) visits.delete(oldest)
      }
      putBounded(theirs, address, true, addressesOfOne)
      putBounded(ofPerson, person, theirs, addresses)
      putBounded(visits, address, { person, at }, addresses)
    },
    lastAt(address) {
      const visit = visits.get(address)
      return visit && clock() - visit.at < lifetime ? visit.person : undefined
    },
  }
}
