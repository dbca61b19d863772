import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import { type ConnectedGrant, connected, connectedGrants } from './connected-grants.ts'
import { type Batch, locking, type Queries } from './dialect.ts'
import { and, desc, eq, gt, inArray, isNotNull, isNull, sql } from './drizzle.ts'
import { type Grant, type GrantLife, prolongGrant } from './grants.ts'
import { isLive, liveGrant, withExchanged } from './live-grant.ts'
import { prepared, type Slots } from './prepared.ts'
import { insertRefreshToken, type RefreshToken } from './refresh-tokens.ts'
import type { Tables } from './schema.ts'

export type Code = Tables['codes']['$inferSelect']

/** Authorization codes, found by their hash. They are written by the completion of an interaction. */
export function codes(db: Queries, tables: Tables, batch: Batch) {
  const { codes: table, grants, subjects } = tables
  const byHash = prepared((queries, of: Slots<{ codeHash: string }>) =>
    connectedGrants(queries, tables, { code: table })
      .innerJoin(table, eq(table.grantId, grants.id))
      .where(eq(table.codeHash, of.codeHash)),
  )
  const use = prepared((queries, of: Slots<Pick<Code, 'codeHash' | 'grantId'> & { now: number }>) =>
    queries
      .update(table)
      .set({ usedAt: of.now })
      .where(
        and(
          eq(table.codeHash, of.codeHash),
          isNull(table.usedAt),
          gt(table.expiresAt, of.now),
          inArray(table.grantId, liveGrant(queries, tables, of.grantId, of.now)),
        ),
      )
      .returning(),
  )
  const lockPerson = prepared((queries, of: Slots<{ subjectId: string }>) =>
    locking(queries.select({ id: subjects.id }).from(subjects).where(eq(subjects.id, of.subjectId))),
  )
  const prolong = prolongGrant(tables)
  const insertToken = insertRefreshToken(tables)
  type Sessions = Pick<Grant, 'subjectId' | 'clientId' | 'resourceId'> & { keep: number; now: number }
  const endSurplus = prepared((queries, of: Slots<Sessions>) => {
    const surplus = queries
      .select({ id: grants.id })
      .from(grants)
      .where(
        and(
          isLive(tables, of.now),
          isNotNull(grants.accessEndsAt),
          eq(grants.subjectId, of.subjectId),
          eq(grants.clientId, of.clientId),
          isNull(grants.parentId),
          sql`${grants.resourceId} is not distinct from ${of.resourceId}`,
        ),
      )
      .orderBy(desc(grants.lastUsedAt), desc(grants.createdAt), desc(grants.id))
      .limit(1000)
      .offset(sql.placeholder('keep'))
    return queries
      .update(grants)
      .set({ revokedAt: of.now, revokedReason: 'too_many_sessions' })
      .where(
        and(
          isLive(tables, of.now),
          inArray(grants.id, withExchanged(tables, inArray(grants.id, surplus), of.now)),
        ),
      )
      .returning({ id: grants.id })
  })

  return {
    async find(codeHash: string): Promise<{ code: Code; grant: ConnectedGrant } | undefined> {
      const [found] = await byHash(db, { codeHash })
      return found && { code: found.code, grant: connected(found) }
    },

    /**
     * The single use of a code, with the refresh token it buys. Answers the grant, or `undefined` where the code
     * was used or it or its grant had ended. Sessions beyond `keep` of the same subject, client and resource end,
     * the longest idle first.
     */
    async redeem(
      { code, grant }: { code: Code; grant: Grant },
      bought: { life: GrantLife; refreshToken: RefreshToken | undefined; keep: number },
      now: number,
      event: NewAuditEvent,
    ): Promise<Grant | undefined> {
      const { subjectId, clientId, resourceId } = grant
      const redeemed = await batch((queries) => ({
        // Two sessions that begin at once would each count without the other.
        lock: lockPerson(queries, { subjectId }),
        guard: use(queries, { codeHash: code.codeHash, grantId: code.grantId, now }),
        writes: [
          prolong(queries, { id: code.grantId, ...bought.life }),
          recordEvent(queries, tables, event),
          ...(bought.refreshToken === undefined ? [] : [insertToken(queries, bought.refreshToken)]),
          endSurplus(queries, { subjectId, clientId, resourceId, keep: bought.keep, now }),
        ],
      }))
      return redeemed?.rows[0][0]
    },
  }
}
