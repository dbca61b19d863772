import { and, desc, eq, gt, inArray, isNotNull, isNull, lt, type SQL, sql } from 'drizzle-orm'
import type { NewAuditEvent } from './audit-events.ts'
import type { ConnectLink } from './connect-links.ts'
import type { Consent } from './consents.ts'
import type { Batch, Queries } from './dialect.ts'
import type { Interaction } from './interactions.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Grant = Tables['grants']['$inferSelect']
export type Code = Tables['codes']['$inferSelect']
export type RefreshToken = Tables['refreshTokens']['$inferSelect']
export type GrantConnection = Tables['grantConnections']['$inferSelect']

/** When a grant's tokens end, as of the token answer that is being given. */
export type GrantLife = Pick<Grant, 'accessEndsAt' | 'expiresAt' | 'absoluteEndsAt' | 'lastUsedAt'>

export type GrantFilter = Partial<Pick<Grant, 'subjectId' | 'clientId' | 'resourceId'>>

/** What each client may do for whom at which resource, with the codes and refresh tokens that descend from it. */
export function grants(db: Queries, tables: Tables, batch: Batch) {
  const {
    grants: table,
    grantConnections,
    codes,
    refreshTokens,
    interactions,
    consents,
    connectLinks,
  } = tables
  const { auditEvents } = tables
  const recorded = recordedIn(batch, tables)

  const live = (now: number) => and(isNull(table.revokedAt), gt(table.expiresAt, now))

  const liveGrant = (id: string, now: number) =>
    db
      .select({ id: table.id })
      .from(table)
      .where(and(eq(table.id, id), live(now)))

  const complete = (queries: Queries, interaction: Interaction, now: number) =>
    queries
      .update(interactions)
      .set({
        completedAt: now,
        legStateHash: null,
        sealedLegSecrets: null,
        version: sql`${interactions.version} + 1`,
      })
      .where(
        and(
          eq(interactions.id, interaction.id),
          eq(interactions.version, interaction.version),
          isNull(interactions.completedAt),
          gt(interactions.expiresAt, now),
        ),
      )
      .returning({ id: interactions.id })

  const record = (queries: Queries, event: NewAuditEvent) =>
    queries.insert(auditEvents).values(event).returning({ id: auditEvents.id })

  const revokeWhere = async (condition: SQL | undefined, reason: string, now: number, event: NewAuditEvent) =>
    await recorded(event, (queries) =>
      queries
        .update(table)
        .set({ revokedAt: now, revokedReason: reason })
        .where(and(live(now), condition))
        .returning(),
    )

  return {
    async find(id: string): Promise<Grant | undefined> {
      const [grant] = await db.select().from(table).where(eq(table.id, id))
      return grant
    },

    async findByTsid(tsid: string): Promise<Grant | undefined> {
      const [grant] = await db.select().from(table).where(eq(table.tsid, tsid))
      return grant
    },

    /** Ends an interaction with a grant and its code, once: `undefined` where it had ended already. */
    async complete(
      interaction: Interaction,
      made: { grant: Grant; connectionIds: Record<string, string>; code: Code; consent: Consent },
      now: number,
      event: NewAuditEvent,
    ): Promise<Grant | undefined> {
      const { grant, code, consent } = made
      const { subjectId: _, clientId: __, redirectUri: ___, resourceId: ____, ...yes } = consent
      const completed = await batch((queries) => ({
        guard: complete(queries, interaction, now),
        writes: [
          queries.insert(table).values(grant).returning({ id: table.id }),
          queries.insert(codes).values(code).returning({ at: codes.createdAt }),
          queries
            .insert(consents)
            .values(consent)
            .onConflictDoUpdate({
              target: [consents.subjectId, consents.clientId, consents.redirectUri, consents.resourceId],
              set: yes,
            })
            .returning({ at: consents.grantedAt }),
          record(queries, event),
          ...Object.entries(made.connectionIds).map(([provider, connectionId]) =>
            queries
              .insert(grantConnections)
              .values({ grantId: grant.id, connectionId, provider })
              .returning({ id: grantConnections.grantId }),
          ),
        ],
      }))
      return completed && grant
    },

    /** Ends the interaction of a connect link: the session may draw on the connection from now on. */
    async completeConnect(
      interaction: Interaction,
      made: { added: GrantConnection; replaced: readonly string[]; ticketHash: string },
      now: number,
      event: NewAuditEvent,
    ): Promise<boolean> {
      const { added, replaced } = made
      const end: Pick<ConnectLink, 'status'> = { status: 'completed' }
      const completed = await batch((queries) => ({
        guard: complete(queries, interaction, now),
        writes: [
          queries
            .update(connectLinks)
            .set(end)
            .where(eq(connectLinks.ticketHash, made.ticketHash))
            .returning(),
          queries
            .delete(grantConnections)
            .where(
              and(
                eq(grantConnections.grantId, added.grantId),
                inArray(grantConnections.connectionId, [...replaced]),
              ),
            )
            .returning(),
          queries.insert(grantConnections).values(added).onConflictDoNothing().returning(),
          record(queries, event),
        ],
      }))
      return completed !== undefined
    },

    async findCode(codeHash: string): Promise<{ code: Code; grant: Grant } | undefined> {
      const [found] = await db
        .select({ code: codes, grant: table })
        .from(codes)
        .innerJoin(table, eq(table.id, codes.grantId))
        .where(eq(codes.codeHash, codeHash))
      return found
    },

    /**
     * The single use of a code, with the refresh token it buys. Answers the grant, or `undefined` where the code
     * was used or it or its grant had ended. Sessions beyond `keep` of the same subject, client and resource end,
     * the longest idle first.
     */
    async redeemCode(
      { code, grant }: { code: Code; grant: Grant },
      bought: { life: GrantLife; refreshToken: RefreshToken | undefined; keep: number },
      now: number,
      event: NewAuditEvent,
    ): Promise<Grant | undefined> {
      const redeemed = await batch((queries) => ({
        guard: queries
          .update(codes)
          .set({ usedAt: now })
          .where(
            and(
              eq(codes.codeHash, code.codeHash),
              isNull(codes.usedAt),
              gt(codes.expiresAt, now),
              inArray(codes.grantId, liveGrant(code.grantId, now)),
            ),
          )
          .returning(),
        writes: [
          queries.update(table).set(bought.life).where(eq(table.id, code.grantId)).returning(),
          record(queries, event),
          ...(bought.refreshToken === undefined
            ? []
            : [queries.insert(refreshTokens).values(bought.refreshToken).returning()]),
          endSurplus(queries, grant, bought.keep, now),
        ],
      }))
      return redeemed?.rows[0][0]
    },

    async findRefreshToken(
      tokenHash: string,
    ): Promise<{ refreshToken: RefreshToken; grant: Grant } | undefined> {
      const [found] = await db
        .select({ refreshToken: refreshTokens, grant: table })
        .from(refreshTokens)
        .innerJoin(table, eq(table.id, refreshTokens.grantId))
        .where(eq(refreshTokens.tokenHash, tokenHash))
      return found
    },

    /** The single use of a refresh token; its successor comes to life with it. */
    async rotateRefreshToken(
      used: RefreshToken,
      rotation: { successor: RefreshToken; sealedSuccessor: string; life: GrantLife },
      now: number,
      event: NewAuditEvent,
    ): Promise<Grant | undefined> {
      const { successor, sealedSuccessor } = rotation
      const rotated = await batch((queries) => ({
        guard: queries
          .update(refreshTokens)
          .set({ usedAt: now, successorHash: successor.tokenHash, sealedSuccessor })
          .where(
            and(
              eq(refreshTokens.tokenHash, used.tokenHash),
              isNull(refreshTokens.usedAt),
              gt(refreshTokens.expiresAt, now),
              inArray(refreshTokens.grantId, liveGrant(used.grantId, now)),
            ),
          )
          .returning(),
        writes: [
          queries.update(table).set(rotation.life).where(eq(table.id, used.grantId)).returning(),
          queries.insert(refreshTokens).values(successor).returning({ id: refreshTokens.grantId }),
          record(queries, event),
        ],
      }))
      return rotated?.rows[0][0]
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
          .where(and(eq(table.id, id), live(now)))
          .returning(),
      )
      return grant
    },

    /** Records a release of an upstream token before it leaves: audit row and last uses in one commit. */
    async recordRelease(
      grantId: string,
      connectionId: string,
      now: number,
      event: NewAuditEvent,
    ): Promise<boolean> {
      const { connections } = tables
      const recordedRelease = await batch((queries) => ({
        guard: queries
          .update(table)
          .set({ lastUsedAt: now })
          .where(and(eq(table.id, grantId), isNull(table.revokedAt)))
          .returning({ id: table.id }),
        writes: [
          queries
            .update(connections)
            .set({ lastUsedAt: now })
            .where(eq(connections.id, connectionId))
            .returning({ id: connections.id }),
          record(queries, event),
        ],
      }))
      return recordedRelease !== undefined
    },

    /** Revokes one grant; answers it where it was live. */
    async revoke(id: string, reason: string, now: number, event: NewAuditEvent): Promise<Grant | undefined> {
      const [grant] = await revokeWhere(eq(table.id, id), reason, now, event)
      return grant
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
            scope.state === 'live' ? live(scope.now) : undefined,
            filter.subjectId === undefined ? undefined : eq(table.subjectId, filter.subjectId),
            filter.clientId === undefined ? undefined : eq(table.clientId, filter.clientId),
            typeof filter.resourceId === 'string' ? eq(table.resourceId, filter.resourceId) : undefined,
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
        .where(
          and(
            live(now),
            filter.subjectId === undefined ? undefined : eq(table.subjectId, filter.subjectId),
            filter.clientId === undefined ? undefined : eq(table.clientId, filter.clientId),
            typeof filter.resourceId === 'string' ? eq(table.resourceId, filter.resourceId) : undefined,
          ),
        )
      return Number(row?.count ?? 0)
    },
  }

  function endSurplus(queries: Queries, grant: Grant, keep: number, now: number) {
    const surplus = queries
      .select({ id: table.id })
      .from(table)
      .where(
        and(
          live(now),
          isNotNull(table.accessEndsAt),
          eq(table.subjectId, grant.subjectId),
          eq(table.clientId, grant.clientId),
          grant.resourceId === null ? isNull(table.resourceId) : eq(table.resourceId, grant.resourceId),
        ),
      )
      .orderBy(desc(table.lastUsedAt), desc(table.createdAt), desc(table.id))
      .limit(1000)
      .offset(keep)
    return queries
      .update(table)
      .set({ revokedAt: now, revokedReason: 'too_many_sessions' })
      .where(inArray(table.id, surplus))
      .returning({ id: table.id })
  }
}
