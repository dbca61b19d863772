import type { Limits } from '../config/settings.ts'
import { createPseudonyms, type Pseudonyms } from '../lib/pseudonyms.ts'
import { createRateLimiter, type RateLimiter } from '../lib/rate-limit.ts'

/** The limits that are a number in a minute, by the names they have in the configuration. */
const perMinute = [
  'registrations_per_address',
  'registrations',
  'registration_changes_per_client',
  'registration_changes',
  'authorizations_per_address',
  'authorizations_per_client',
  'authorizations',
  'returning_authorizations_per_person',
  'returning_authorizations',
  'visits_per_interaction',
  'visits_per_connect_link',
  'account_visits_per_address',
  'unknown_visits_per_address',
  'callbacks_per_provider',
  'failed_authentications_per_address',
  'failed_authentications_per_caller',
  'failed_admin_logins_per_address',
  'failed_admin_logins_per_name',
  'token_requests_per_client',
  'token_requests_per_address',
  'introspections_per_resource',
  'retrievals_per_resource',
  'decisions_per_resource',
  'decisions_per_person',
  'manifests_per_resource',
  'unknown_sessions_per_resource',
  'exchanges_per_session',
  'connect_links_per_session',
] as const satisfies readonly (keyof Limits)[]

export type RateName = (typeof perMinute)[number]

/** Seconds over which they are counted. */
export const rateWindow = 60

/** What these hold off is work of this process alone, and little of it: each process counts for itself. */
const ofOneProcess: readonly RateName[] = [
  'visits_per_interaction',
  'visits_per_connect_link',
  'account_visits_per_address',
  'unknown_visits_per_address',
]

/** Those that all processes over one database have together. */
export const sharedRates: readonly RateName[] = perMinute.filter((name) => !ofOneProcess.includes(name))

/** Each counts for itself, so that a flood of one kind leaves the others served. */
export type Rates = Record<RateName, Pick<RateLimiter, 'take' | 'wait' | 'taken' | 'size'>>

type Counting = {
  limits: Pick<Limits, RateName>
  pseudonyms?: Pseudonyms
  /** Told of every time a rate had nothing left. */
  onRefusal?: (rate: RateName) => void
}

/** The rates of this process; the limiters behind them know keys by their pseudonyms alone. */
export function createRates({ limits, pseudonyms = createPseudonyms(), onRefusal = () => {} }: Counting): {
  rates: Rates
  limiters: Record<RateName, RateLimiter>
} {
  const limiters = byName((name) => createRateLimiter({ limit: limits[name], window: rateWindow }))
  const rates = byName((name): Rates[RateName] => {
    const { take, wait, taken, size } = limiters[name]
    const named = (key: string) => pseudonyms.of(`${name} ${key}`)
    return {
      take(key, now) {
        const seconds = take(named(key), now)
        if (seconds > 0) onRefusal(name)
        return seconds
      },
      wait: (key, now) => wait(named(key), now),
      taken: (key, now) => taken(named(key), now),
      size,
    }
  })
  return { rates, limiters }
}

function byName<Value>(make: (name: RateName) => Value): Record<RateName, Value> {
  return Object.fromEntries(perMinute.map((name) => [name, make(name)])) as Record<RateName, Value>
}
