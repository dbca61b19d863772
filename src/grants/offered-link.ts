import { putBounded } from '../lib/bounded-map.ts'
import type { Clock } from '../lib/clock.ts'
import { sha256 } from '../lib/secret.ts'
import type { Grant } from '../storage/grants.ts'
import {
  type ConnectLinkParts,
  type ConnectWish,
  createConnectLink,
  type NewConnectLink,
} from './connect-link.ts'

/** The URL of a connect link to go with a refusal the person can mend. */
export type OfferConnectLink = (grant: Grant, wish: ConnectWish, actor: string) => Promise<string>

type Offered = { until: number; link: Promise<NewConnectLink> }

const mostOffers = 10_000

/**
 * Offers the same link to whoever is refused the same thing again, while that link is pending and has half its
 * life before it: a resource that asks in a loop would fill the database and the audit log.
 */
export function createLinkOffers(parts: ConnectLinkParts & { clock: Clock }): OfferConnectLink {
  const offered = new Map<string, Offered>()

  async function pendingLink({ until, link }: Offered, now: number): Promise<string | undefined> {
    if (until <= now) return undefined
    const { connectUrl, ticket } = await link
    const found = await parts.store.connectLinks.find(sha256(ticket))
    return found?.status === 'pending' ? connectUrl : undefined
  }

  return async (grant, wish, actor) => {
    const { provider, scopes, accountId = null } = wish
    const key = JSON.stringify([grant.id, provider, [...scopes].sort(), accountId])
    const now = parts.clock()
    const earlier = offered.get(key)
    const again = earlier && (await pendingLink(earlier, now))
    if (again !== undefined) return again
    const link = createConnectLink(parts, grant, wish, actor, now)
    const until = now + Math.floor(parts.config.lifetimes.connect_link / 2)
    putBounded(offered, key, { until, link }, mostOffers)
    link.catch(() => offered.delete(key))
    return (await link).connectUrl
  }
}
