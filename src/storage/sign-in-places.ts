import { clockMargin } from '../lib/clock.ts'
import type { Queries } from './dialect.ts'
import { and, desc, gte, lte, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type SignInPlace = Tables['signInPlaces']['$inferSelect']

/** From where people lately signed in, by digests of both. */
export function signInPlaces(db: Queries, { signInPlaces: table }: Tables) {
  return {
    /** Of an address the person who was there last is kept. Each may come up once. */
    async note(places: readonly SignInPlace[]): Promise<void> {
      if (places.length === 0) return
      await db
        .insert(table)
        .values(places.toSorted((left, right) => (left.addressHash < right.addressHash ? -1 : 1)))
        .onConflictDoUpdate({
          target: table.addressHash,
          set: { subjectHash: sql`excluded.subject_hash`, at: sql`excluded.at` },
        })
        .returning({ at: table.at })
    },

    /** The latest first; none that a clock noted which is far ahead of `now`. */
    async since(at: number, now: number, limit: number): Promise<SignInPlace[]> {
      return await db
        .select()
        .from(table)
        .where(and(gte(table.at, at), lte(table.at, now + clockMargin)))
        .orderBy(desc(table.at))
        .limit(limit)
    },
  }
}
