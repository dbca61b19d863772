import { clockMargin } from '../lib/clock.ts'
import type { Queries } from './dialect.ts'
import { and, desc, gte, lte, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

/** When somebody's bucket is full again. */
export type RateLevel = { keyHash: string; rate: string; fullAtMicros: number }

/** The same as one process knows it, and how much later it is for what was taken there and not told of yet. */
export type RateTaken = RateLevel & { takenMicros: number }

/** Rows of one statement. */
const chunk = 200

/** What several processes together let through of the rates, for keys that matter. */
export function rateLevels(db: Queries, { rateLevels: table }: Tables) {
  const level = { keyHash: table.keyHash, rate: table.rate, fullAtMicros: table.fullAtMicros }

  /** Of what is known here and what is written that is more to which what was taken here comes on top. */
  async function addSome(taken: readonly RateTaken[], { now, most }: { now: number; most: number }) {
    const furthest = sql`cast(${(now + most) * 1e6} as bigint)`
    // What a clock wrote that is far ahead of this one would not be over when it is here.
    const known = sql`case when ${table.changedAt} > ${now + clockMargin} then 0 else ${table.fullAtMicros} end`
    const written = sql`${known} + excluded.taken_micros`
    const after = sql`case when ${written} > excluded.full_at_micros then ${written} else excluded.full_at_micros end`
    return await db
      .insert(table)
      .values(taken.map((of) => ({ ...of, changedAt: now })))
      .onConflictDoUpdate({
        target: table.keyHash,
        set: {
          fullAtMicros: sql`case when (${after}) > ${furthest} then ${furthest} else ${after} end`,
          takenMicros: sql`excluded.taken_micros`,
          changedAt: now,
        },
      })
      .returning(level)
  }

  return {
    /**
     * Puts off when buckets are full by what was taken, up to so many seconds from now. Answers when they are. Always in one
     * order, so that processes that add to the same ones do not wait for each other in a circle.
     */
    async add(taken: readonly RateTaken[], at: { now: number; most: number }): Promise<RateLevel[]> {
      const ordered = taken.toSorted((left, right) => (left.keyHash < right.keyHash ? -1 : 1))
      const added: RateLevel[] = []
      for (let from = 0; from < ordered.length; from += chunk) {
        added.push(...(await addSome(ordered.slice(from, from + chunk), at)))
      }
      return added
    },

    /** What was added to since, the emptiest first; not by a clock that is far ahead of `now`. */
    async changedSince(since: number, now: number, limit: number): Promise<RateLevel[]> {
      return await db
        .select(level)
        .from(table)
        .where(and(gte(table.changedAt, since), lte(table.changedAt, now + clockMargin)))
        .orderBy(desc(table.fullAtMicros))
        .limit(limit)
    },
  }
}
