import type { Database } from '../database.ts'
import { and, gte, isNotNull, isNull, ne } from '../drizzle.ts'

export type Restored = {
  /** When the backup was taken. */
  takenAt: number
  /** What becomes of the token sessions it has. */
  sessions: 'keep' | 'end'
  /** Seconds in which who lost the answer to a refresh may ask again. */
  refreshGrace: number
}

/** Seconds after a restore for which clients may ask again whose grace was under way when the backup was taken. */
const returning = 86_400

/**
 * Makes what came out of a backup ready to be gone on with. What works once and was unused then may have been used since,
 * and who signed out in a browser since is not to be signed in again: all of that goes. A client may have lost the answer
 * to its last refresh together with the database, and never had a chance to ask again. Repeated, it is the same.
 */
export async function settleRestored(
  { db, tables }: Pick<Database, 'db' | 'tables'>,
  { takenAt, sessions, refreshGrace }: Restored,
  now: number,
): Promise<void> {
  const { codes, interactions, connectLinks, stepUps, browserSessions, grants, refreshTokens } = tables
  await db.delete(codes).where(isNull(codes.usedAt)).returning({ hash: codes.codeHash })
  await db.delete(interactions).returning({ id: interactions.id })
  await db
    .delete(connectLinks)
    .where(ne(connectLinks.status, 'completed'))
    .returning({ hash: connectLinks.ticketHash })
  await db.delete(stepUps).where(isNull(stepUps.usedAt)).returning({ id: stepUps.id })
  await db.delete(browserSessions).returning({ hash: browserSessions.secretHash })
  await db
    .update(refreshTokens)
    .set({ usedAt: now + returning })
    .where(and(gte(refreshTokens.usedAt, takenAt - refreshGrace), isNotNull(refreshTokens.sealedSuccessor)))
    .returning({ hash: refreshTokens.tokenHash })
  if (sessions === 'keep') return
  await db
    .update(grants)
    .set({ revokedAt: now, revokedReason: 'restored' })
    .where(isNull(grants.revokedAt))
    .returning({ id: grants.id })
}
