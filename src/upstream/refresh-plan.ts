import type { RefreshTrouble } from '../storage/documents.ts'
import type { RefreshLease } from '../storage/refresh-leases.ts'

/** What may be done about a connection that wants new tokens, by what is known of those who tried before. */
export type RefreshPlan =
  /** Somebody is at it. */
  | { step: 'wait' }
  /** The provider is left alone. */
  | { step: 'rest'; until: number; trouble: RefreshTrouble }
  /** The provider answered, and nobody has read it. */
  | { step: 'read'; sealedAnswer: string; answeredAt: number }
  /** The refresh token is sent; `sentAt` is when it was for the first time, `attempts` how often with this one. */
  | { step: 'send'; sentAt: number; attempts: number; unsure?: Unsure }
  /** It was sent again already, and must not be a third time. */
  | { step: 'give up'; unsure?: Unsure }

/**
 * Whoever sent it may be alive, with the answer in its hands and the store out of its reach: it is given a moment in
 * which both reach the store, once its lease has ended.
 */
export type Unsure = 'the holder may live'

/** Seconds: no lease is held for longer, and nobody is left alone for longer. More is the word of a wrong clock. */
const longestLease = 300
const longestRest = 3600

/**
 * Decides from the lease on a connection of this version. A process that dies between sending a refresh token and
 * writing down the answer leaves its intent behind: where the provider lets a token be sent again for
 * `reuseWindow` seconds that is done within them, and elsewhere once.
 */
export function planRefresh(
  lease: RefreshLease | undefined,
  { version, holder, reuseWindow }: { version: number; holder: string; reuseWindow: number | 'unlimited' },
  now: number,
): RefreshPlan {
  const first = { step: 'send', sentAt: now, attempts: 1 } as const
  if (!lease) return first
  const isHeldElsewhere = isAhead(lease.expiresAt, now, longestLease) && lease.holder !== holder
  // Whoever waits for a slow provider says so, and nobody need wait with it.
  if (lease.restUntil !== null && lease.restReason && isAhead(lease.restUntil, now, longestRest)) {
    const isAboutThis = isHeldElsewhere || lease.version === version
    if (isAboutThis) return { step: 'rest', until: lease.restUntil, trouble: lease.restReason }
  }
  if (isHeldElsewhere) return { step: 'wait' }
  if (lease.version !== version) return first
  const { sealedAnswer, answeredAt, sentAt, attempts } = lease
  if (sealedAnswer !== null) return { step: 'read', sealedAnswer, answeredAt: answeredAt ?? now }
  const wasGivenBack = lease.expiresAt === 0
  // A process that lives knows what came of what it sent.
  if (sentAt === null || (lease.holder === holder && !wasGivenBack)) return first
  if (reuseWindow === 'unlimited' || now < sentAt + reuseWindow) {
    return { step: 'send', sentAt, attempts: attempts + 1 }
  }
  const unsure = wasGivenBack ? {} : ({ unsure: 'the holder may live' } as const)
  return attempts < 2
    ? { step: 'send', sentAt, attempts: attempts + 1, ...unsure }
    : { step: 'give up', ...unsure }
}

const isAhead = (time: number, now: number, most: number) => time > now && time <= now + most
