import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, eq, gt, inArray } from './drizzle.ts'
import { prepared, type Slots } from './prepared.ts'
import type { Tables } from './schema.ts'

export type BrowserSession = Tables['browserSessions']['$inferSelect']

/** Who is signed in to the gateway itself, in which browser. Found by the hash of the cookie's secret. */
export function browserSessions(db: Queries, tables: Tables, batch: Batch) {
  const { browserSessions: table, interactions } = tables
  const bySecret = prepared((queries, of: Slots<{ secretHash: string; now: number }>) =>
    queries
      .select()
      .from(table)
      .where(and(eq(table.secretHash, of.secretHash), gt(table.expiresAt, of.now))),
  )
  return {
    async find(secretHash: string, now: number): Promise<BrowserSession | undefined> {
      const [session] = await bySecret(db, { secretHash, now })
      return session
    },

    async create(session: BrowserSession): Promise<void> {
      await db.insert(table).values(session).returning({ subjectId: table.subjectId })
    },

    /** Moves the idle end; the caller bounds it by the absolute one. */
    async touch(secretHash: string, seen: Pick<BrowserSession, 'lastSeenAt' | 'expiresAt'>): Promise<void> {
      await db
        .update(table)
        .set(seen)
        .where(eq(table.secretHash, secretHash))
        .returning({ at: table.lastSeenAt })
    },

    async delete(secretHash: string): Promise<void> {
      await db.delete(table).where(eq(table.secretHash, secretHash)).returning({ at: table.lastSeenAt })
    },

    /** Signs a person out in one browser, with whatever they have under way there. */
    async signOut(
      { secretHash, subjectId }: BrowserSession,
      browserHashes: readonly string[],
      event: NewAuditEvent,
    ): Promise<void> {
      await batch((queries) => ({
        guard: queries
          .delete(table)
          .where(eq(table.secretHash, secretHash))
          .returning({ at: table.createdAt }),
        writes: [
          queries
            .delete(interactions)
            .where(
              and(
                eq(interactions.subjectId, subjectId),
                inArray(interactions.browserHash, [...browserHashes]),
              ),
            )
            .returning({ id: interactions.id }),
          recordEvent(queries, tables, event),
        ],
      }))
    },

    /** Signs a subject out in every browser, with whatever they have under way there. */
    async signOutEverywhere(subjectId: string, event: NewAuditEvent): Promise<number> {
      const ended = await batch((queries) => ({
        guard: queries.delete(table).where(eq(table.subjectId, subjectId)).returning({ at: table.createdAt }),
        writes: [
          queries
            .delete(interactions)
            .where(eq(interactions.subjectId, subjectId))
            .returning({ id: interactions.id }),
          recordEvent(queries, tables, event),
        ],
      }))
      return ended?.guard.length ?? 0
    },

    async deleteOf(subjectId: string): Promise<void> {
      await db.delete(table).where(eq(table.subjectId, subjectId)).returning({ at: table.lastSeenAt })
    },
  }
}
