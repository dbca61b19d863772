import type { Client } from './clients.ts'
import type { Queries } from './dialect.ts'
import { and, asc, eq, gt, inArray, isNull, lte, notExists, or, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

/** How many unused clients of one origin there may be, and since when one is too young to be displaced. */
export type UnusedBound = {
  origin: Extract<Client['origin'], 'dynamic' | 'document'>
  limit: number
  protectedSince: number
}

export type Room =
  /** For this one, and for so many more. */
  | { readonly outcome: 'there is'; readonly left: number }
  /** Nothing may be displaced; the next that grows old enough was created then, if there is one. */
  | { readonly outcome: 'none'; readonly oldestProtected: number | undefined }

/** Clients that came by themselves and never got a token: what anybody may send, so that it has a bound. */
export function unusedClients(db: Queries, tables: Tables) {
  const { clients, consents, grants, interactions } = tables

  const isUnused = ({ origin }: Pick<UnusedBound, 'origin'>) =>
    and(eq(clients.origin, origin), eq(clients.invited, false), isNull(clients.lastUsedAt))

  /** One that an administrator disabled would come back enabled, were it forgotten and published again. */
  const isDisplaceable = (bound: UnusedBound, now: number) =>
    and(isUnused(bound), eq(clients.enabled, true), or(lte(clients.expiresAt, now), isNobodys(bound, now)))

  /**
   * Nobody just said yes to it, and nobody is about to. An older yes that led to no token keeps no place: else who signs
   * in once could say yes to so many of their own that no other found room.
   */
  const isNobodys = ({ protectedSince }: UnusedBound, now: number) =>
    and(
      lte(clients.createdAt, protectedSince),
      notExists(
        db
          .select({ id: consents.clientId })
          .from(consents)
          .where(and(eq(consents.clientId, clients.id), gt(consents.grantedAt, now - longestRedemption))),
      ),
      notExists(
        db
          .select({ id: grants.id })
          .from(grants)
          .where(and(eq(grants.clientId, clients.id), gt(grants.createdAt, now - longestRedemption))),
      ),
      notExists(
        db
          .select({ id: interactions.id })
          .from(interactions)
          .where(
            and(
              eq(interactions.clientId, clients.id),
              isNull(interactions.completedAt),
              gt(interactions.expiresAt, now),
            ),
          ),
      ),
    )

  async function displaceOldest(bound: UnusedBound, count: number, now: number): Promise<number> {
    const oldest = db
      .select({ id: clients.id })
      .from(clients)
      .where(isDisplaceable(bound, now))
      .orderBy(asc(clients.createdAt))
      .limit(count)
    const displaced = await db
      .delete(clients)
      // Said twice: between finding a row and locking it, PostgreSQL may see it come into use.
      .where(and(inArray(clients.id, oldest), isUnused(bound)))
      .returning({ id: clients.id })
    return displaced.length
  }

  return {
    /** How many of an origin there are. */
    async count(origin: UnusedBound['origin']): Promise<number> {
      const [counted] = await db
        .select({ all: sql<number>`count(*)`.mapWith(Number) })
        .from(clients)
        .where(isUnused({ origin }))
      return counted?.all ?? 0
    },

    /** Before one more is stored: where there are as many as there may be, the oldest that nobody needs go. */
    async makeRoom(bound: UnusedBound, now: number): Promise<Room> {
      const [stored] = await db
        .select({
          count: sql<number>`count(*)`.mapWith(Number),
          oldest: sql<number | null>`min(${clients.createdAt})`,
        })
        .from(clients)
        .where(isUnused(bound))
      const surplus = (stored?.count ?? 0) + 1 - bound.limit
      if (surplus <= 0) return { outcome: 'there is', left: -surplus }
      // A hundredth at once, so that a flood pays for the search once in as many registrations.
      const wanted = Math.min(surplus - 1 + Math.ceil(bound.limit / 100), mostAtOnce)
      const mayGo = Number(stored?.oldest) <= bound.protectedSince
      const displaced = mayGo ? await displaceOldest(bound, wanted, now) : 0
      if (displaced > 0) return { outcome: 'there is', left: Math.max(0, displaced - surplus) }
      const [next] = await db
        .select({ createdAt: clients.createdAt })
        .from(clients)
        .where(and(isUnused(bound), gt(clients.createdAt, bound.protectedSince)))
        .orderBy(asc(clients.createdAt))
        .limit(1)
      return { outcome: 'none', oldestProtected: next?.createdAt }
    },
  }
}

/** Seconds after a yes in which its code is surely redeemed, or never: a code may live for ten minutes. */
const longestRedemption = 900

/** Rows that one statement takes, so that it never holds up the requests beside it for long. */
const mostAtOnce = 100
