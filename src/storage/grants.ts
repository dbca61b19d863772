import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import { type ConnectedGrant, connected, connectedGrants } from './connected-grants.ts'
import type { Connection } from './connections.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, desc, eq, inArray, isNotNull, isNull, lt, sql } from './drizzle.ts'
import { isLive, withExchanged } from './live-grant.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { perTables, prepared, type Slots } from './prepared.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Grant = Tables['grants']['$inferSelect']
export type GrantConnection = Tables['grantConnections']['$inferSelect']

/** When a grant's tokens end, as of the token answer that is being given. */
export type GrantLife = Pick<Grant, 'accessEndsAt' | 'expiresAt' | 'absoluteEndsAt' | 'lastUsedAt'>

/** Moves the ends of a grant to where the token answer that is being given puts them. */
export const prolongGrant = perTables(({ grants: table }) =>
  prepared((queries, of: Slots<GrantLife & { id: string }>) =>
    queries
      .update(table)
      .set({
        accessEndsAt: of.accessEndsAt,
        expiresAt: of.expiresAt,
        absoluteEndsAt: of.absoluteEndsAt,
        lastUsedAt: of.lastUsedAt,
      })
      .where(eq(table.id, of.id))
      .returning(),
  ),
)

/** Seconds for which the use of a connection that was written down stands for those that follow. */
const useGranularity = 60

const wasJustUsed = ({ lastUsedAt }: Pick<Connection, 'lastUsedAt'>, now: number) =>
  lastUsedAt !== null && lastUsedAt > now - useGranularity

/** `parentId: null`: those that people gave themselves. */
export type GrantFilter = Partial<Pick<Grant, 'subjectId' | 'clientId' | 'resourceId' | 'parentId'>>

/** What each client may do for whom at which resource. Codes and refresh tokens descend from it. */
export function grants(db: Queries, tables: Tables, batch: Batch) {
  const { grants: table, connections, consents } = tables
  const recorded = recordedIn(batch, tables)

  const byId = prepared((queries, of: Slots<{ id: string }>) =>
    connectedGrants(queries, tables).where(eq(table.id, of.id)),
  )
  const byTsid = prepared((queries, of: Slots<{ tsid: string }>) =>
    connectedGrants(queries, tables).where(eq(table.tsid, of.tsid)),
  )

  const noteUse = prepared((queries, of: Slots<{ id: string; drawnOn: string; now: number }>) =>
    queries
      .update(table)
      .set({ lastUsedAt: of.now })
      .where(
        and(
          eq(table.id, of.id),
          isNull(table.revokedAt),
          sql`exists (select 1 from ${table} as drawn_on where drawn_on.id = ${of.drawnOn} and drawn_on.revoked_at is null)`,
        ),
      )
      .returning({ id: table.id }),
  )
  const noteUseOfConnection = prepared((queries, of: Slots<{ id: string; now: number; by: string | null }>) =>
    queries
      .update(connections)
      .set({ lastUsedAt: of.now, lastUsedBy: of.by })
      .where(eq(connections.id, of.id))
      .returning({ id: connections.id }),
  )

  const matching = ({ subjectId, clientId, resourceId, parentId }: GrantFilter) =>
    and(
      subjectId === undefined ? undefined : eq(table.subjectId, subjectId),
      clientId === undefined ? undefined : eq(table.clientId, clientId),
      typeof resourceId === 'string' ? eq(table.resourceId, resourceId) : undefined,
      typeof parentId === 'string' ? eq(table.parentId, parentId) : undefined,
      parentId === null ? isNull(table.parentId) : undefined,
    )

  /** What was remembered of the yes that a grant came of; as a row, so that an index finds it. */
  const consentsTo = (queries: Queries, id: string) => {
    const consented = queries
      .select({
        subjectId: table.subjectId,
        clientId: table.clientId,
        resourceId: sql`coalesce(${table.resourceId}, '')`,
      })
      .from(table)
      .where(and(eq(table.id, id), isNull(table.parentId)))
    return sql`(${consents.subjectId}, ${consents.clientId}, ${consents.resourceId}) in ${consented}`
  }

  return {
    async find(id: string): Promise<ConnectedGrant | undefined> {
      const [found] = await byId(db, { id })
      return found && connected(found)
    },

    async findByTsid(tsid: string): Promise<ConnectedGrant | undefined> {
      const [found] = await byTsid(db, { tsid })
      return found && connected(found)
    },

    /** Moves the ends of a live grant, for an access token issued without a rotation. */
    async extend(
      id: string,
      life: Partial<GrantLife>,
      now: number,
      event: NewAuditEvent,
    ): Promise<Grant | undefined> {
      const [grant] = await recorded(event, (queries) =>
        queries
          .update(table)
          .set(life)
          .where(and(eq(table.id, id), isLive(tables, now)))
          .returning(),
      )
      return grant
    },

    /**
     * Records a release of an upstream token before it leaves: audit row and last uses in one commit, unless the grant
     * or the one it draws on was revoked. A connection's row is large, so its last use is written at most once a minute.
     */
    async recordRelease(
      { id, drawnOn }: { id: string; drawnOn: string },
      connection: Pick<Connection, 'id' | 'lastUsedAt'>,
      now: number,
      event: NewAuditEvent,
    ): Promise<boolean> {
      const recordedRelease = await batch((queries) => ({
        guard: noteUse(queries, { id, drawnOn, now }),
        writes: [
          recordEvent(queries, tables, event),
          ...(wasJustUsed(connection, now)
            ? []
            : [noteUseOfConnection(queries, { id: connection.id, now, by: event.resourceId ?? null })]),
        ],
      }))
      return recordedRelease !== undefined
    },

    /**
     * Revokes one grant with all that was exchanged from it; answers how many were live. What was remembered of the
     * person's yes goes with it: a client whose session was ended must ask again.
     */
    async revoke(id: string, reason: string, now: number, event: NewAuditEvent): Promise<number> {
      const ended = { revokedAt: now, revokedReason: reason }
      const revoked = await batch((queries) => ({
        guard: queries
          .update(table)
          .set(ended)
          .where(and(eq(table.id, id), isLive(tables, now)))
          .returning({ id: table.id }),
        writes: [
          queries
            .update(table)
            .set(ended)
            .where(and(isLive(tables, now), inArray(table.id, withExchanged(tables, eq(table.id, id), now))))
            .returning({ id: table.id }),
          queries.delete(consents).where(consentsTo(queries, id)).returning({ at: consents.grantedAt }),
          recordEvent(queries, tables, event),
        ],
      }))
      return revoked ? 1 + revoked.rows[0].length : 0
    },

    /**
     * Ends everything a subject let clients do, or one client at one resource, with all that was exchanged from it;
     * codes that were not redeemed yet included. What was remembered of the yes goes with it. Answers how many were
     * live.
     */
    async endAll(
      whose: { subjectId: string; clientId?: string; resourceId?: string | null },
      reason: string,
      now: number,
      event: NewAuditEvent,
    ): Promise<number> {
      const { subjectId, clientId, resourceId } = whose
      const theirs = and(
        eq(table.subjectId, subjectId),
        isLive(tables, now),
        clientId === undefined ? undefined : eq(table.clientId, clientId),
        resourceId === null ? isNull(table.resourceId) : undefined,
        typeof resourceId === 'string' ? eq(table.resourceId, resourceId) : undefined,
      )
      const ended = await batch((queries) => ({
        guard: queries
          .update(table)
          .set({ revokedAt: now, revokedReason: reason })
          .where(and(isLive(tables, now), inArray(table.id, withExchanged(tables, theirs, now))))
          .returning({ id: table.id }),
        writes: [
          queries
            .delete(consents)
            .where(
              and(
                eq(consents.subjectId, subjectId),
                clientId === undefined ? undefined : eq(consents.clientId, clientId),
                resourceId === undefined ? undefined : eq(consents.resourceId, resourceId ?? ''),
              ),
            )
            .returning({ at: consents.grantedAt }),
          recordEvent(queries, tables, event),
        ],
      }))
      return ended?.guard.length ?? 0
    },

    async list(
      filter: GrantFilter,
      scope: { now: number; state: 'live' | 'any' },
      page: PageRequest,
    ): Promise<Page<Grant>> {
      const rows = await db
        .select()
        .from(table)
        .where(
          and(
            // A grant whose code was never redeemed is no session yet.
            isNotNull(table.accessEndsAt),
            scope.state === 'live' ? isLive(tables, scope.now) : undefined,
            matching(filter),
            page.cursor === undefined ? undefined : lt(table.id, page.cursor),
          ),
        )
        .orderBy(desc(table.id))
        .limit(page.limit + 1)
      return toPage(rows, page.limit, (row) => row.id)
    },

    /** How many live grants there are at a resource or of a client. */
    async countLive(filter: GrantFilter, now: number): Promise<number> {
      const [row] = await db
        .select({ count: sql<number>`count(*)` })
        .from(table)
        .where(and(isLive(tables, now), matching(filter)))
      return Number(row?.count ?? 0)
    },
  }
}
