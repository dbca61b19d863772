import { and, eq, gt, inArray, isNull } from 'drizzle-orm'
import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import type { Grant, GrantLife } from './grants.ts'
import { liveGrant } from './live-grant.ts'
import { prepared, type Slots } from './prepared.ts'
import type { Tables } from './schema.ts'

export type RefreshToken = Tables['refreshTokens']['$inferSelect']

/** Refresh tokens, found by their hash; those of one grant are one family. */
export function refreshTokens(db: Queries, tables: Tables, batch: Batch) {
  const { refreshTokens: table, grants } = tables
  const byHash = prepared((queries, of: Slots<{ tokenHash: string }>) =>
    queries
      .select({ refreshToken: table, grant: grants })
      .from(table)
      .innerJoin(grants, eq(grants.id, table.grantId))
      .where(eq(table.tokenHash, of.tokenHash)),
  )
  return {
    async find(tokenHash: string): Promise<{ refreshToken: RefreshToken; grant: Grant } | undefined> {
      const [found] = await byHash(db, { tokenHash })
      return found
    },

    /** The single use of a refresh token; its successor comes to life with it. */
    async rotate(
      used: RefreshToken,
      rotation: { successor: RefreshToken; sealedSuccessor: string; life: GrantLife },
      now: number,
      event: NewAuditEvent,
    ): Promise<Grant | undefined> {
      const { successor, sealedSuccessor } = rotation
      const rotated = await batch((queries) => ({
        guard: queries
          .update(table)
          .set({ usedAt: now, successorHash: successor.tokenHash, sealedSuccessor })
          .where(
            and(
              eq(table.tokenHash, used.tokenHash),
              isNull(table.usedAt),
              gt(table.expiresAt, now),
              inArray(table.grantId, liveGrant(queries, tables, used.grantId, now)),
            ),
          )
          .returning(),
        writes: [
          queries.update(grants).set(rotation.life).where(eq(grants.id, used.grantId)).returning(),
          queries.insert(table).values(successor).returning({ id: table.grantId }),
          recordEvent(queries, tables, event),
        ],
      }))
      return rotated?.rows[0][0]
    },
  }
}
