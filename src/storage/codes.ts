import { and, desc, eq, gt, inArray, isNotNull, isNull } from 'drizzle-orm'
import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import type { Grant, GrantLife } from './grants.ts'
import { isLive, liveGrant } from './live-grant.ts'
import { prepared, type Slots } from './prepared.ts'
import type { RefreshToken } from './refresh-tokens.ts'
import type { Tables } from './schema.ts'

export type Code = Tables['codes']['$inferSelect']

/** Authorization codes, found by their hash. They are written by the completion of an interaction. */
export function codes(db: Queries, tables: Tables, batch: Batch) {
  const { codes: table, grants, refreshTokens } = tables
  const byHash = prepared((queries, of: Slots<{ codeHash: string }>) =>
    queries
      .select({ code: table, grant: grants })
      .from(table)
      .innerJoin(grants, eq(grants.id, table.grantId))
      .where(eq(table.codeHash, of.codeHash)),
  )
  return {
    async find(codeHash: string): Promise<{ code: Code; grant: Grant } | undefined> {
      const [found] = await byHash(db, { codeHash })
      return found
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
      const redeemed = await batch((queries) => ({
        guard: queries
          .update(table)
          .set({ usedAt: now })
          .where(
            and(
              eq(table.codeHash, code.codeHash),
              isNull(table.usedAt),
              gt(table.expiresAt, now),
              inArray(table.grantId, liveGrant(queries, tables, code.grantId, now)),
            ),
          )
          .returning(),
        writes: [
          queries.update(grants).set(bought.life).where(eq(grants.id, code.grantId)).returning(),
          recordEvent(queries, tables, event),
          ...(bought.refreshToken === undefined
            ? []
            : [queries.insert(refreshTokens).values(bought.refreshToken).returning()]),
          endSurplus(queries, grant, bought.keep, now),
        ],
      }))
      return redeemed?.rows[0][0]
    },
  }

  function endSurplus(queries: Queries, grant: Grant, keep: number, now: number) {
    const surplus = queries
      .select({ id: grants.id })
      .from(grants)
      .where(
        and(
          isLive(tables, now),
          isNotNull(grants.accessEndsAt),
          eq(grants.subjectId, grant.subjectId),
          eq(grants.clientId, grant.clientId),
          grant.resourceId === null ? isNull(grants.resourceId) : eq(grants.resourceId, grant.resourceId),
        ),
      )
      .orderBy(desc(grants.lastUsedAt), desc(grants.createdAt), desc(grants.id))
      .limit(1000)
      .offset(keep)
    return queries
      .update(grants)
      .set({ revokedAt: now, revokedReason: 'too_many_sessions' })
      .where(inArray(grants.id, surplus))
      .returning({ id: grants.id })
  }
}
