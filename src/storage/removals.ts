import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, eq, exists, inArray, isNotNull, isNull, not, type SQL, sql } from './drizzle.ts'
import { isLive, withExchanged } from './live-grant.ts'
import { forgetGroups } from './providers.ts'
import type { Tables } from './schema.ts'
import { queuedConnections, queueRevocations } from './upstream-revocations.ts'

/** What went with a removed row. */
export type Removed = {
  /** Token sessions that were live. */
  tokenSessionsEnded: number
  connectionsDeleted: CountedConnections[]
}

/** Connections by where their tokens came from. */
export type CountedConnections = { provider: string; upstreamClientId: string; count: number }

/** Connections that go on, and whether for a live token session or only for the person's next one. */
export type KeptConnections = CountedConnections & { use: 'in use' | 'waiting' }

/** Whose token sessions: one of them, or all of a client. */
export type SessionsOf = { grantId: string } | { clientId: string }

/**
 * Removes a row with everything that hangs on it, and writes the audit row with it. The tokens of connections that go
 * are queued in the same commit, to be revoked at their providers (`upstreamRevocations`, by the event's id).
 * `undefined`: there is no such row, and nothing was written.
 */
export function removals(db: Queries, batch: Batch, tables: Tables) {
  const { clients, connections, grantConnections, grants, providers, resources, subjects } = tables

  const live = (now: number) =>
    // A grant whose code was never redeemed is no session yet.
    and(isLive(tables, now), isNotNull(grants.accessEndsAt))

  const countSessions = (queries: Queries, whose: SQL, now: number) =>
    queries
      .select({ count: sql<number>`count(*)`.mapWith(Number) })
      .from(grants)
      .where(and(live(now), inArray(grants.id, withExchanged(tables, whose, now))))

  const countConnections = (queries: Queries, which: SQL) =>
    queries
      .select({
        provider: connections.provider,
        upstreamClientId: connections.upstreamClientId,
        count: sql<number>`count(*)`.mapWith(Number),
      })
      .from(connections)
      .where(which)
      .groupBy(connections.provider, connections.upstreamClientId)

  const revokeDrawingOn = (queries: Queries, which: SQL, end: { at: number; reason: string }) =>
    queries
      .update(grants)
      .set({ revokedAt: end.at, revokedReason: end.reason })
      .where(
        and(
          isNull(grants.revokedAt),
          inArray(grants.id, withExchanged(tables, inArray(grants.id, drawingOn(queries, which)), end.at)),
        ),
      )
      .returning({ id: grants.id })

  const drawingOn = (queries: Queries, which: SQL) =>
    queries
      .select({ id: grantConnections.grantId })
      .from(grantConnections)
      .innerJoin(connections, eq(connections.id, grantConnections.connectionId))
      .where(which)

  return {
    /** With its connections, and the end of every token session that draws on one of them. */
    async provider(id: string, now: number, event: NewAuditEvent): Promise<Removed | undefined> {
      const which = eq(connections.provider, id)
      const removed = await batch((queries) => ({
        // What its tokens are revoked with is copied before it goes.
        guard: queries.update(providers).set({ enabled: false }).where(eq(providers.id, id)).returning(),
        writes: [
          countDrawingOn(queries, which, now),
          countConnections(queries, which),
          revokeDrawingOn(queries, which, { at: now, reason: 'provider_deleted' }),
          queueRevocations(queries, tables, which, { event, extent: 'grant', now }),
          queries.delete(connections).where(which).returning({ id: connections.id }),
          queries.delete(providers).where(eq(providers.id, id)).returning({ id: providers.id }),
          forgetGroups(queries, tables, id),
          recordEvent(queries, tables, event),
        ],
      }))
      return removed && removedOf(removed.rows[0], removed.rows[1])
    },

    /** With the end of every token session that draws on it. */
    async connection(id: string, now: number, event: NewAuditEvent): Promise<Removed | undefined> {
      const which = eq(connections.id, id)
      const removed = await batch((queries) => ({
        // Deleting it takes away who draws on it, so that comes last; until then this keeps others off the row.
        guard: queries
          .update(connections)
          .set({ version: sql`${connections.version}` })
          .where(which)
          .returning({ id: connections.id }),
        writes: [
          countDrawingOn(queries, which, now),
          countConnections(queries, which),
          revokeDrawingOn(queries, which, { at: now, reason: 'connection_deleted' }),
          queueRevocations(queries, tables, which, { event, extent: 'token', now }),
          queries.delete(connections).where(which).returning({ id: connections.id }),
          recordEvent(queries, tables, event),
        ],
      }))
      return removed && removedOf(removed.rows[0], removed.rows[1])
    },

    /** Connections that sessions draw on and no other live session does. `undefined`: there are none. */
    async unusedConnections(of: SessionsOf, now: number, event: NewAuditEvent): Promise<Removed | undefined> {
      const isOnlyTheirs = (queries: Queries) =>
        sql`${drawnOnBy(queries, of)} and ${not(drawnOnByAnother(queries, of, now))}`
      const removed = await batch((queries) => ({
        guard: queries
          .update(connections)
          .set({ version: sql`${connections.version}` })
          .where(isOnlyTheirs(queries))
          .returning({ id: connections.id }),
        writes: [
          countConnections(queries, isOnlyTheirs(queries)),
          queueRevocations(queries, tables, isOnlyTheirs(queries), { event, extent: 'token', now }),
          // On PostgreSQL a session may end in between: what is not queued is not deleted.
          queries
            .delete(connections)
            .where(
              and(isOnlyTheirs(queries), inArray(connections.id, queuedConnections(queries, tables, event))),
            )
            .returning({ id: connections.id }),
          recordEvent(queries, tables, event),
        ],
      }))
      return removed && removedOf([], removed.rows[0])
    },

    /** What would be left of the connections that sessions draw on, should these end. */
    async keptConnections(of: SessionsOf, now: number): Promise<KeptConnections[]> {
      const inUse = sql<number>`max(case when ${drawnOnByAnother(db, of, now)} then 1 else 0 end)`
      const rows = await db
        .select({
          provider: connections.provider,
          upstreamClientId: connections.upstreamClientId,
          inUse: inUse.mapWith(Number),
        })
        .from(connections)
        .where(drawnOnBy(db, of))
        .groupBy(connections.id)
      return countedByUse(rows)
    },

    /** With identities, browser sessions, connections, consents and grants. */
    async subject(id: string, now: number, event: NewAuditEvent): Promise<Removed | undefined> {
      const removed = await batch((queries) => ({
        guard: queries.update(subjects).set({ enabled: false }).where(eq(subjects.id, id)).returning(),
        writes: [
          countSessions(queries, eq(grants.subjectId, id), now),
          countConnections(queries, eq(connections.subjectId, id)),
          queueRevocations(queries, tables, eq(connections.subjectId, id), { event, extent: 'grant', now }),
          queries.delete(subjects).where(eq(subjects.id, id)).returning({ id: subjects.id }),
          recordEvent(queries, tables, event),
        ],
      }))
      return removed && removedOf(removed.rows[0], removed.rows[1])
    },

    /** With its credentials, consents and grants; people's connections stay theirs. */
    async resource(id: string, now: number, event: NewAuditEvent): Promise<Removed | undefined> {
      const removed = await batch((queries) => ({
        guard: queries.update(resources).set({ enabled: false }).where(eq(resources.id, id)).returning(),
        writes: [
          countSessions(queries, eq(grants.resourceId, id), now),
          queries.delete(tables.consents).where(eq(tables.consents.resourceId, id)).returning(),
          queries.delete(resources).where(eq(resources.id, id)).returning({ id: resources.id }),
          recordEvent(queries, tables, event),
        ],
      }))
      return removed && removedOf(removed.rows[0])
    },

    /** With its interactions, consents and grants. Without an event it is not recorded. */
    async client(id: string, now: number, event: NewAuditEvent | undefined): Promise<Removed | undefined> {
      const removed = await batch((queries) => ({
        guard: queries.update(clients).set({ enabled: false }).where(eq(clients.id, id)).returning(),
        writes: [
          countSessions(queries, eq(grants.clientId, id), now),
          queries.delete(clients).where(eq(clients.id, id)).returning({ id: clients.id }),
          ...(event ? [recordEvent(queries, tables, event)] : []),
        ],
      }))
      return removed && removedOf(removed.rows[0])
    },
  }

  function theirs(of: SessionsOf): SQL {
    return 'grantId' in of ? eq(grants.id, of.grantId) : eq(grants.clientId, of.clientId)
  }

  // Not asked of every connection there is: by their ids they are found.
  function drawnOnBy(queries: Queries, of: SessionsOf): SQL {
    return inArray(
      connections.id,
      queries
        .select({ id: grantConnections.connectionId })
        .from(grantConnections)
        .innerJoin(grants, eq(grants.id, grantConnections.grantId))
        .where(theirs(of)),
    )
  }

  function drawnOnByAnother(queries: Queries, of: SessionsOf, now: number): SQL {
    return exists(
      queries
        .select({ id: grants.id })
        .from(grantConnections)
        .innerJoin(grants, eq(grants.id, grantConnections.grantId))
        .where(and(eq(grantConnections.connectionId, connections.id), isLive(tables, now), not(theirs(of)))),
    )
  }

  function countDrawingOn(queries: Queries, which: SQL, now: number) {
    return countSessions(queries, inArray(grants.id, drawingOn(queries, which)), now)
  }
}

function removedOf(
  [sessions]: readonly { count: number }[],
  connectionsDeleted: CountedConnections[] = [],
): Removed {
  return { tokenSessionsEnded: sessions?.count ?? 0, connectionsDeleted }
}

type Used = Omit<CountedConnections, 'count'> & { inUse: number }

function countedByUse(rows: readonly Used[]): KeptConnections[] {
  const groups = Map.groupBy(rows, (row) => JSON.stringify(row))
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (!first) return []
    const { provider, upstreamClientId, inUse } = first
    const use = inUse === 0 ? ('waiting' as const) : ('in use' as const)
    return [{ provider, upstreamClientId, count: group.length, use }]
  })
}
