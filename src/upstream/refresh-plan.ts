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
  | { step: 'send'; sentAt: number; attempts: number }
  /** It was sent again already, and must not be a third time. */
  | { step: 'give up' }

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
  if (lease.expiresAt > now && lease.holder !== holder) return { step: 'wait' }
  if (lease.version !== version) return first
  if (lease.restUntil !== null && lease.restUntil > now && lease.restReason) {
    return { step: 'rest', until: lease.restUntil, trouble: lease.restReason }
  }
  const { sealedAnswer, answeredAt, sentAt, attempts } = lease
  if (sealedAnswer !== null) return { step: 'read', sealedAnswer, answeredAt: answeredAt ?? now }
  // A process that lives knows what came of what it sent.
  if (sentAt === null || lease.holder === holder) return first
  const maySend = reuseWindow === 'unlimited' || now < sentAt + reuseWindow || attempts < 2
  return maySend ? { step: 'send', sentAt, attempts: attempts + 1 } : { step: 'give up' }
}
