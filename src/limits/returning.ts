import { putBounded } from '../lib/bounded-map.ts'
import { type Clock, clockMargin } from '../lib/clock.ts'
import type { Pseudonyms } from '../lib/pseudonyms.ts'
import { createRateLimiter } from '../lib/rate-limit.ts'
import { createWhereabouts, mostAddresses } from '../lib/whereabouts.ts'
import type { SignInPlace } from '../storage/sign-in-places.ts'
import type { Store } from '../storage/store.ts'
import { placesKept } from '../storage/sweep.ts'

/** From where people lately signed in, at this process or another one. */
export type Returning = {
  /** Somebody signed in. */
  note(address: string, subjectId: string): void
  /** Who was the last to sign in from there, as `pseudonymOf` calls them. */
  lastAt(address: string): string | undefined
  pseudonymOf(subjectId: string): string
  /** Tells the other processes what they do not know, and learns what they told. */
  share(): Promise<void>
}

/** Sign-ins that wait to be told of at once. */
const mostWaiting = 1_000

/** Addresses new to one person that are told of: one request from each of many makes rows for a week of nobody else's. */
const newPlaces = { limit: 10, window: 86_400 }

type Parts = { store: Pick<Store, 'signInPlaces'>; pseudonyms: Pseudonyms; clock: Clock }

export function createReturning({ store, pseudonyms, clock }: Parts): Returning {
  const whereabouts = createWhereabouts({ lifetime: placesKept }, clock)
  const waiting = new Map<string, SignInPlace>()
  const toldOf = createRateLimiter(newPlaces)
  let known = 0
  const addressOf = (address: string) => pseudonyms.of(`address ${address}`)
  const pseudonymOf = (subjectId: string) => pseudonyms.of(`subject ${subjectId}`)
  return {
    pseudonymOf,
    note(address, subjectId) {
      const place = { addressHash: addressOf(address), subjectHash: pseudonymOf(subjectId), at: clock() }
      const isKnown = whereabouts.lastAt(place.addressHash) === place.subjectHash
      whereabouts.note(place.addressHash, place.subjectHash)
      if (!isKnown && toldOf.take(place.subjectHash, place.at) > 0) return
      putBounded(waiting, place.addressHash, place, mostWaiting)
    },
    lastAt: (address) => whereabouts.lastAt(addressOf(address)),
    async share() {
      const now = clock()
      const told = [...waiting.values()]
      await store.signInPlaces.note(told)
      for (const place of told)
        if (waiting.get(place.addressHash) === place) waiting.delete(place.addressHash)
      const found = await store.signInPlaces.since(Math.max(known, now - placesKept), now, mostAddresses)
      for (const { addressHash, subjectHash, at } of found.toReversed()) {
        whereabouts.note(addressHash, subjectHash, at)
      }
      known = now - clockMargin
    },
  }
}
