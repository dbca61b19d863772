import type { Queries } from './dialect.ts'
import { and, eq, gt } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type BrowserSession = Tables['browserSessions']['$inferSelect']

/** Who is signed in to the gateway itself, in which browser. Found by the hash of the cookie's secret. */
export function browserSessions(db: Queries, { browserSessions: table }: Tables) {
  return {
    async find(secretHash: string, now: number): Promise<BrowserSession | undefined> {
      const [session] = await db
        .select()
        .from(table)
        .where(and(eq(table.secretHash, secretHash), gt(table.expiresAt, now)))
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

    async deleteOf(subjectId: string): Promise<void> {
      await db.delete(table).where(eq(table.subjectId, subjectId)).returning({ at: table.lastSeenAt })
    },
  }
}
