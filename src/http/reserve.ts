import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../gateway.ts'
import type { BrowserSession } from '../storage/browser-sessions.ts'
import { holderOf, secondsToWait, tooManyRequests } from './rates.ts'

type Reserving = Pick<Gateway, 'rates' | 'clock' | 'returning'>

/**
 * Who was here before, as far as a browser shows: somebody who is signed in, else whoever comes from where somebody
 * lately signed in, and then has a part in what is theirs. What they may do beyond the limits of everybody, each person
 * may do so often alone, from however many addresses.
 */
export function returningGuest(
  { returning }: Pick<Gateway, 'returning'>,
  request: FastifyRequest,
  session: BrowserSession | undefined,
): string | undefined {
  return session ? returning.pseudonymOf(session.subjectId) : returning.lastAt(holderOf(request))
}

/**
 * Answers what lets a sign-in begin that a limit would have wait: at the first such limit it takes one of the
 * reserve, for all of them. Throws a 429 for whom there is none (docs/decisions/0011).
 */
export function createReserve(
  gateway: Reserving,
  request: FastifyRequest,
  session: BrowserSession | undefined,
): (wait: number) => void {
  let isTaken = false
  return (wait) => {
    if (wait === 0 || isTaken) return
    const guest = returningGuest(gateway, request, session)
    if (guest === undefined) throw tooManyRequests(wait)
    const more = secondsToWait(gateway, [
      ['returning_authorizations_per_person', guest],
      ['returning_authorizations'],
    ])
    if (more > 0) throw tooManyRequests(Math.min(wait, more))
    isTaken = true
  }
}
