import type { FastifyRequest } from 'fastify'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { addressHolder } from '../lib/address.ts'
import type { RateName } from '../limits/rates.ts'
import type { Client } from '../storage/clients.ts'
import type { PageRefusal } from './page-refusal.ts'

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
  const now = clock()
  const isRefused = counted.some(([rate, key = '']) => rates[rate].take(key, now) > 0)
  // The one that refused may have something again before one that has just counted its last.
  return isRefused ? Math.max(...counted.map(([rate, key = '']) => rates[rate].wait(key, now))) : 0
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

/**
 * Anybody can say the id of a public client, so each of its addresses counts for itself. And anybody can become many
 * clients, so an address counts as well, for all but those that are what an administrator made them, with a secret.
 */
export function countClient(gateway: Counting, request: FastifyRequest, client: Client): void {
  const { id, metadata, origin } = client
  const from = holderOf(request)
  const isPublic = metadata.token_endpoint_auth_method === 'none'
  const anybody = isPublic || (origin !== 'admin' && origin !== 'config')
  countRequest(
    gateway,
    ['token_requests_per_client', isPublic ? `${id} ${from}` : id],
    ...(anybody ? [['token_requests_per_address', from] as const] : []),
  )
}

/**
 * The refusal of a visit to what is not there, or not this browser's. Who goes on with such visits is told to stop;
 * what is there is served still.
 */
export function strayVisit(gateway: Counting, request: FastifyRequest, refusal: PageRefusal): PageRefusal {
  countRequest(gateway, ['unknown_visits_per_address', holderOf(request)])
  return refusal
}
