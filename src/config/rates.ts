import { createRateLimiter, type RateLimiter } from '../lib/rate-limit.ts'
import type { Limits } from './settings.ts'

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
  'introspections_per_resource',
  'retrievals_per_resource',
  'decisions_per_resource',
  'manifests_per_resource',
  'unknown_sessions_per_resource',
  'exchanges_per_session',
  'connect_links_per_session',
] as const satisfies readonly (keyof Limits)[]

export type RateName = (typeof perMinute)[number]

/** Each counts for itself, so that a flood of one kind leaves the others served. */
export type Rates = Record<RateName, RateLimiter>

/**
 * Counts in this process alone: several behind one address have so much each. `onRefusal` is told of every time one
 * of them had nothing left.
 */
export function createRates(
  limits: Pick<Limits, RateName>,
  onRefusal: (rate: RateName) => void = () => {},
): Rates {
  const limiters = perMinute.map((name) => {
    const limiter = createRateLimiter({ limit: limits[name], window: 60 })
    const take: RateLimiter['take'] = (key, now) => {
      const wait = limiter.take(key, now)
      if (wait > 0) onRefusal(name)
      return wait
    }
    return [name, { ...limiter, take }]
  })
  return Object.fromEntries(limiters) as Rates
}
