import type { Clock } from './clock.ts'
import { singleFlight } from './single-flight.ts'

export type Loaded<Value> =
  | { readonly outcome: 'loaded'; readonly value: Value }
  | { readonly outcome: 'unavailable'; readonly reason: string }

export type Lifetimes = {
  /** How long what was loaded is used without asking again. */
  readonly fresh: number
  /** How long it is used at most where asking again fails. */
  readonly stale: number
  /** How long after a failure nothing is asked. */
  readonly failed: number
}

/** Loads when first asked, and again when what it knows grows old. */
export function remembered<Value>(
  load: () => Promise<Loaded<Value>>,
  lifetimes: Lifetimes,
  clock: Clock,
): () => Promise<Loaded<Value>> {
  const flight = singleFlight<Loaded<Value>>()
  let known: { answer: Loaded<Value>; loadedAt: number } | undefined
  let failure: { answer: Loaded<Value>; failedAt: number } | undefined

  async function reload(): Promise<Loaded<Value>> {
    const answer = await load()
    const now = clock()
    if (answer.outcome === 'loaded') {
      known = { answer, loadedAt: now }
      failure = undefined
      return answer
    }
    failure = { answer, failedAt: now }
    return fallback(now) ?? answer
  }

  const fallback = (now: number) =>
    known && now < known.loadedAt + lifetimes.stale ? known.answer : undefined

  return async () => {
    const now = clock()
    if (known && now < known.loadedAt + lifetimes.fresh) return known.answer
    if (failure && now < failure.failedAt + lifetimes.failed) return fallback(now) ?? failure.answer
    return await flight('', reload)
  }
}
