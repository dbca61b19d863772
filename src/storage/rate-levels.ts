import type { Queries } from './dialect.ts'
import { desc, gte, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

/** How far somebody's bucket is from full, in microseconds until it is full again. */
export type RateLevel = { keyHash: string; rate: string; missing: number }

/** The same as one process knows it, and how many microseconds of it were taken there and not told of yet. */
export type RateTaken = RateLevel & { taken: number }

/** Rows of one statement. */
const chunk = 200

/** What several processes together let through of the rates, for keys that matter. */
export function rateLevels(db: Queries, { rateLevels: table }: Tables) {
  const levelAt =
    (now: number) =>
    ({ keyHash, rate, fullAtMicros }: typeof table.$inferSelect): RateLevel => ({
      keyHash,
      rate,
      missing: fullAtMicros - now * 1e6,
    })

  /** Of what is known here and what is written that is more to which what was taken here comes on top. */
  async function addSome(taken: readonly RateTaken[], { now, most }: { now: number; most: number }) {
    const furthest = sql`cast(${(now + most) * 1e6} as bigint)`
    const written = sql`${table.fullAtMicros} + excluded.taken_micros`
    const after = sql`case when ${written} > excluded.full_at_micros then ${written} else excluded.full_at_micros end`
    return await db
      .insert(table)
      .values(
        taken.map(({ missing, taken: takenMicros, ...of }) => ({
          ...of,
          fullAtMicros: now * 1e6 + missing,
          takenMicros,
          changedAt: now,
        })),
      )
      .onConflictDoUpdate({
        target: table.keyHash,
        set: {
          fullAtMicros: sql`case when (${after}) > ${furthest} then ${furthest} else ${after} end`,
          takenMicros: sql`excluded.taken_micros`,
          changedAt: now,
        },
      })
      .returning()
  }

  return {
    /**
     * Adds what was taken to what is missing already, up to so many seconds. Answers what is missing now. Always in one
     * order, so that processes that add to the same ones do not wait for each other in a circle.
     */
    async add(taken: readonly RateTaken[], at: { now: number; most: number }): Promise<RateLevel[]> {
      const ordered = taken.toSorted((left, right) => (left.keyHash < right.keyHash ? -1 : 1))
      const added: RateLevel[] = []
      for (let from = 0; from < ordered.length; from += chunk) {
        added.push(...(await addSome(ordered.slice(from, from + chunk), at)).map(levelAt(at.now)))
      }
      return added
    },

    /** What was added to since, the emptiest first. */
    async changedSince(since: number, { now, limit }: { now: number; limit: number }): Promise<RateLevel[]> {
      const rows = await db
        .select()
        .from(table)
        .where(gte(table.changedAt, since))
        .orderBy(desc(table.fullAtMicros))
        .limit(limit)
      return rows.map(levelAt(now))
    },
  }
}
