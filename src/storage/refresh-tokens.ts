import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import { type ConnectedGrant, connected, connectedGrants } from './connected-grants.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, eq, gt, inArray, isNull } from './drizzle.ts'
import { type Grant, type GrantLife, prolongGrant } from './grants.ts'
import { liveGrant } from './live-grant.ts'
import { inColumns, perTables, prepared, type Slots } from './prepared.ts'
import type { Tables } from './schema.ts'

export type RefreshToken = Tables['refreshTokens']['$inferSelect']

/** Refresh tokens, found by their hash; those of one grant are one family. */
export function refreshTokens(db: Queries, tables: Tables, batch: Batch) {
  const { refreshTokens: table, grants } = tables
  const byHash = prepared((queries, of: Slots<{ tokenHash: string }>) =>
    connectedGrants(queries, tables, { refreshToken: table })
      .innerJoin(table, eq(table.grantId, grants.id))
      .where(eq(table.tokenHash, of.tokenHash)),
  )
  type Use = Pick<RefreshToken, 'tokenHash' | 'grantId'> & {
    now: number
    successorHash: string
    sealedSuccessor: string
  }
  const use = prepared((queries, of: Slots<Use>) =>
    queries
      .update(table)
      .set({ usedAt: of.now, successorHash: of.successorHash, sealedSuccessor: of.sealedSuccessor })
      .where(
        and(
          eq(table.tokenHash, of.tokenHash),
          isNull(table.usedAt),
          gt(table.expiresAt, of.now),
          inArray(table.grantId, liveGrant(queries, tables, of.grantId, of.now)),
        ),
      )
      .returning(),
  )
  const insert = insertRefreshToken(tables)
  const prolong = prolongGrant(tables)

  return {
    async find(
      tokenHash: string,
    ): Promise<{ refreshToken: RefreshToken; grant: ConnectedGrant } | undefined> {
      const [found] = await byHash(db, { tokenHash })
      return found && { refreshToken: found.refreshToken, grant: connected(found) }
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
        guard: use(queries, {
          tokenHash: used.tokenHash,
          grantId: used.grantId,
          now,
          successorHash: successor.tokenHash,
          sealedSuccessor,
        }),
        writes: [
          prolong(queries, { id: used.grantId, ...rotation.life }),
          insert(queries, successor),
          recordEvent(queries, tables, event),
        ],
      }))
      return rotated?.rows[0][0]
    },
  }
}

export const insertRefreshToken = perTables(({ refreshTokens: table }) =>
  prepared((queries, of: Slots<RefreshToken>) =>
    queries.insert(table).values(inColumns(table, of)).returning({ grantId: table.grantId }),
  ),
)
