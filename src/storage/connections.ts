import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import { type EndsWithin, isEnding } from './connection-ends.ts'
import type { Batch, Queries } from './dialect.ts'
import type { SitesSeen } from './documents.ts'
import { and, desc, eq, inArray, isNotNull, isNull, lt, sql } from './drizzle.ts'
import { isLive } from './live-grant.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { prepared, type Slots } from './prepared.ts'
import { heldConnection, type RefreshLease, type RefreshRest, releaseLease } from './refresh-leases.ts'
import type { Tables } from './schema.ts'
import { queueRevocations } from './upstream-revocations.ts'

export type Connection = Tables['connections']['$inferSelect']

/** The tokens of a connection and what is known of their life. */
export type StoredTokens = Pick<
  Connection,
  | 'scopes'
  | 'sealedAccessToken'
  | 'sealedRefreshToken'
  | 'tokenType'
  | 'accessExpiresAt'
  | 'accessLifetime'
  | 'refreshExpiresAt'
  | 'refreshedAt'
> &
  Partial<Pick<Connection, 'statusReason' | 'statusSince'>>

export type ConnectionUse = {
  connectionId: string
  grantId: string
  resourceId: string | null
  siteId: string | null
}

export type SitePin = { grantId: string; provider: string; siteId: string }

/** A connection as one grant may draw on it: for one of the account's sites, where that was said. */
export type HeldConnection = Connection & { siteId: string | null }

/** Subjects' sealed tokens at upstream accounts. */
export function connections(db: Queries, all: Tables, batch: Batch) {
  const { connections: table, grantConnections } = all
  /** Versions of a connection that was deleted and made again count anew. */
  const asRead = ({ id, version, createdAt }: Connection) =>
    and(eq(table.id, id), eq(table.version, version), eq(table.createdAt, createdAt))
  const byId = prepared((queries, of: Slots<{ id: string }>) =>
    queries.select().from(table).where(eq(table.id, of.id)),
  )
  const ofGrant = prepared((queries, of: Slots<{ grantId: string }>) =>
    queries
      .select({ connection: table, siteId: grantConnections.siteId })
      .from(grantConnections)
      .innerJoin(table, eq(table.id, grantConnections.connectionId))
      .where(eq(grantConnections.grantId, of.grantId)),
  )
  return {
    async find(id: string): Promise<Connection | undefined> {
      const [connection] = await byId(db, { id })
      return connection
    },

    /** A subject's connections, the most recently refreshed first. */
    async listOf(subjectId: string): Promise<Connection[]> {
      return await db
        .select()
        .from(table)
        .where(eq(table.subjectId, subjectId))
        .orderBy(desc(table.refreshedAt), desc(table.id))
    },

    /** What a grant may draw on. */
    async listForGrant(grantId: string): Promise<HeldConnection[]> {
      const rows = await ofGrant(db, { grantId })
      return rows.map(({ connection, siteId }) => ({ ...connection, siteId }))
    },

    /** Which live grants of a subject, the youngest first, draw on which of their connections, and where. */
    async listUses(subjectId: string, now: number): Promise<ConnectionUse[]> {
      return await db
        .select({
          connectionId: grantConnections.connectionId,
          grantId: all.grants.id,
          resourceId: all.grants.resourceId,
          siteId: grantConnections.siteId,
        })
        .from(grantConnections)
        .innerJoin(all.grants, eq(all.grants.id, grantConnections.grantId))
        .where(and(eq(all.grants.subjectId, subjectId), isLive(all, now)))
        .orderBy(desc(all.grants.createdAt), desc(all.grants.id))
    },

    /** Which of these grants are for one site of an account, and where. */
    async listPins(grantIds: readonly string[]): Promise<SitePin[]> {
      const { grantId, provider, siteId } = grantConnections
      return await db
        .select({ grantId, provider, siteId: sql<string>`${siteId}` })
        .from(grantConnections)
        .where(and(inArray(grantId, [...grantIds]), isNotNull(siteId)))
    },

    /**
     * Writes what a provider just handed out. Where the row exists its tokens are replaced; `absent` says what
     * becomes of a refresh token the provider did not repeat. One of another host or client is never kept, nor one
     * of a connection that died: for all we know it is what died. The end of one that is kept is kept with it.
     * `replaced` says whether the tokens that go are queued to be revoked at the provider. Sites that were seen before
     * stay where none are said.
     */
    async save(
      connection: Omit<Connection, 'version'>,
      absent: 'keep' | 'drop',
      event: NewAuditEvent,
      replaced: 'revoked' | 'left' = 'left',
    ): Promise<Connection> {
      const { id, createdAt: _, lastUsedAt: __, lastUsedBy: ___, sites, ...current } = connection
      const stillGood = sql`(${table.sealedRefreshToken} is not null and ${table.status} = 'live' and ${table.tokenEndpoint} = ${connection.tokenEndpoint} and ${table.upstreamClientId} = ${connection.upstreamClientId})`
      const mayKeep = absent === 'keep' && connection.sealedRefreshToken === null
      const kept = {
        sealedRefreshToken: sql`case when ${stillGood} then ${table.sealedRefreshToken} end`,
        refreshExpiresAt: sql`case when ${stillGood} then ${table.refreshExpiresAt} else ${connection.refreshExpiresAt} end`,
        authorizedAt: sql`case when ${stillGood} then ${table.authorizedAt} else ${connection.authorizedAt} end`,
      }
      // Of a provider that moved they were queued then. Revoking a token may take along the one that is kept.
      const isReplaced = sql`${table.id} = ${id} and ${table.version} > 0 and coalesce(${table.statusReason}, '') <> 'provider_changed'`
      const isKept = mayKeep ? stillGood : sql`false`
      const doomed = replaced === 'revoked' ? sql`${isReplaced} and not ${isKept}` : sql`false`
      const saved = await batch((queries) => ({
        // A row that is there is held as it is until its tokens are queued.
        guard: queries
          .insert(table)
          .values({ ...connection, version: 0 })
          .onConflictDoUpdate({ target: table.id, set: { version: sql`${table.version}` } })
          .returning({ id: table.id }),
        writes: [
          queueRevocations(queries, all, doomed, { event, extent: 'token', now: connection.refreshedAt }),
          queries
            .update(table)
            .set({
              ...current,
              ...(sites && { sites }),
              ...(mayKeep && kept),
              version: sql`${table.version} + 1`,
            })
            .where(eq(table.id, id))
            .returning(),
          recordEvent(queries, all, event),
        ],
      }))
      const row = saved?.rows[1][0]
      if (!row) throw new Error('an upsert returned no row')
      return row
    },

    /**
     * Replaces the tokens of exactly the version that was read, and gives the lease back, to rest where that is said;
     * `undefined` where somebody else was faster.
     */
    async replaceTokens(
      read: Connection,
      lease: RefreshLease,
      tokens: Partial<StoredTokens>,
      event: NewAuditEvent,
      rest?: RefreshRest,
    ): Promise<Connection | undefined> {
      const replaced = await batch((queries) => ({
        guard: queries
          .update(table)
          .set({ ...tokens, version: sql`${table.version} + 1` })
          .where(and(asRead(read), inArray(table.id, heldConnection(queries, all, lease))))
          .returning(),
        writes: [
          releaseLease(queries, all, lease, { rest, version: read.version + 1 }),
          recordEvent(queries, all, event),
        ],
      }))
      return replaced?.guard[0]
    },

    /** Notes what a token of this connection opens. Its tokens stay as they are, and so does its version. */
    async noteSites({ id, createdAt }: Connection, sites: SitesSeen): Promise<void> {
      await db
        .update(table)
        .set({ sites })
        .where(and(eq(table.id, id), eq(table.createdAt, createdAt)))
    },

    /** Says which site a grant draws on a connection for, where nobody has said it yet. */
    async pinSite(grantId: string, connectionId: string, siteId: string): Promise<void> {
      await db
        .update(grantConnections)
        .set({ siteId })
        .where(
          and(
            eq(grantConnections.grantId, grantId),
            eq(grantConnections.connectionId, connectionId),
            isNull(grantConnections.siteId),
          ),
        )
    },

    /**
     * The provider said that this grant is dead; only if nobody brought new tokens in the meantime, nor, where a
     * lease was held, may be about to.
     */
    async markDead(
      read: Connection,
      death: { reason: string; at: number },
      event: NewAuditEvent,
      lease?: RefreshLease,
    ): Promise<Connection | undefined> {
      const dead = await batch((queries) => ({
        guard: queries
          .update(table)
          .set({
            status: 'needs_reauthorization',
            statusReason: death.reason,
            statusSince: death.at,
            version: sql`${table.version} + 1`,
          })
          .where(and(asRead(read), lease && inArray(table.id, heldConnection(queries, all, lease))))
          .returning(),
        writes: [recordEvent(queries, all, event), ...(lease ? [releaseLease(queries, all, lease)] : [])],
      }))
      return dead?.guard[0]
    },

    async list(
      filter: Partial<Pick<Connection, 'subjectId' | 'provider' | 'status' | 'statusReason'>> & {
        ends?: EndsWithin
      },
      page: PageRequest,
    ): Promise<Page<Connection>> {
      const rows = await db
        .select()
        .from(table)
        .where(
          and(
            filter.subjectId === undefined ? undefined : eq(table.subjectId, filter.subjectId),
            filter.provider === undefined ? undefined : eq(table.provider, filter.provider),
            filter.status === undefined ? undefined : eq(table.status, filter.status),
            filter.statusReason == null ? undefined : eq(table.statusReason, filter.statusReason),
            filter.ends === undefined ? undefined : isEnding(all, filter.ends),
            page.cursor === undefined ? undefined : lt(table.id, page.cursor),
          ),
        )
        .orderBy(desc(table.id))
        .limit(page.limit + 1)
      return toPage(rows, page.limit, (row) => row.id)
    },
  }
}
