import type { FastifyRequest } from 'fastify'
import type { RateName } from '../config/rates.ts'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { addressHolder } from '../lib/address.ts'

type Counting = Pick<Gateway, 'rates' | 'clock'>

/** Whom a rate counts: an address holder, a caller, or with nothing everybody. */
export type Counted = readonly [rate: RateName, key?: string]

/** The address a request counts for, as far as trusted proxies tell it. */
export const holderOf = (request: FastifyRequest): string => addressHolder(request.ip ?? '')

/**
 * Counts a request. Throws a 429 at the first rate that has nothing left, so that what one address is refused takes
 * nothing from what all may have together: name the narrow rates first.
 */
export function countRequest(gateway: Counting, ...counted: readonly Counted[]): void {
  const wait = secondsToWait(gateway, counted)
  if (wait > 0) throw tooManyRequests(wait)
}

/** Seconds until there is something left of all of these rates; 0: they have counted one. */
export function secondsToWait({ rates, clock }: Counting, counted: readonly Counted[]): number {
  for (const [rate, key = ''] of counted) {
    const wait = rates[rate].take(key, clock())
    if (wait > 0) return wait
  }
  return 0
}

/**
 * The code is one that MCP clients take for passing: at `invalid_client` and `invalid_grant` they throw away what
 * they have, and register or sign in anew.
 */
export function tooManyRequests(wait: number): OAuthError {
  return new OAuthError('temporarily_unavailable', 'There were too many requests', {
    status: 429,
    headers: { 'retry-after': String(wait) },
    members: { retry_after: wait },
  })
}
