import type { NewAuditEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, eq, gt, inArray, sql } from './drizzle.ts'
import { prepared, type Slots } from './prepared.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Quota = Tables['quotas']['$inferSelect']

/** A count that is drawn on, and up to what. */
export type Draw = { id: string; quotaId: string; limit: number; endsAt: number }

/** How a quota stands in one window: how many counts were drawn on, how often, and the fullest of them. */
export type QuotaUse = { counts: number; calls: number; most: number }

/** How often tools may be called, and how often they were. */
export function quotas(db: Queries, tables: Tables, batch: Batch) {
  const { quotas: table, quotaCounts: counts } = tables
  const recorded = recordedIn(batch, tables)
  const ofResource = prepared((queries, of: Slots<{ resourceId: string }>) =>
    queries.select().from(table).where(eq(table.resourceId, of.resourceId)).orderBy(asc(table.id)),
  )
  return {
    list: async (resourceId: string): Promise<Quota[]> => await ofResource(db, { resourceId }),

    async create(quota: Quota, event: NewAuditEvent): Promise<void> {
      await recorded(event, (queries) => queries.insert(table).values(quota).returning({ id: table.id }))
    },

    async delete(key: Pick<Quota, 'id' | 'resourceId'>, event: NewAuditEvent): Promise<Quota | undefined> {
      const [deleted] = await recorded(event, (queries) =>
        queries
          .delete(table)
          .where(and(eq(table.id, key.id), eq(table.resourceId, key.resourceId)))
          .returning(),
      )
      return deleted
    },

    /**
     * Counts one call in each, or in none where one of them is full. Exact whoever draws at the same time: the counts
     * are locked, always in one order, before they are looked at.
     */
    async draw(draws: readonly Draw[]): Promise<boolean> {
      const ordered = draws.toSorted((left, right) => (left.id < right.id ? -1 : 1))
      const ids = ordered.map(({ id }) => id)
      const hasRoom = sql.join(
        ordered.map(
          ({ id, limit }) => sql`coalesce((select used from quota_counts where id = ${id}), 0) < ${limit}`,
        ),
        sql` and `,
      )
      const drawn = await batch((queries) => ({
        guard: queries
          .insert(counts)
          .values(ordered.map(({ id, quotaId, endsAt }) => ({ id, quotaId, used: 0, expiresAt: endsAt })))
          .onConflictDoUpdate({ target: counts.id, set: { used: sql`${counts.used}` } })
          .returning({ id: counts.id }),
        writes: [
          queries
            .update(counts)
            .set({ used: sql`${counts.used} + 1` })
            .where(and(inArray(counts.id, ids), hasRoom))
            .returning({ id: counts.id }),
        ],
      }))
      return (drawn?.rows[0].length ?? 0) === ordered.length
    },

    /** Takes back one call from each, which was not made after all. */
    async giveBack(ids: readonly string[]): Promise<void> {
      await db
        .update(counts)
        .set({ used: sql`${counts.used} - 1` })
        .where(and(inArray(counts.id, [...ids]), sql`${counts.used} > 0`))
        .returning({ id: counts.id })
    },

    /** How often each was drawn on; those that never were are absent. */
    async used(ids: readonly string[]): Promise<Map<string, number>> {
      if (ids.length === 0) return new Map()
      const rows = await db
        .select({ id: counts.id, used: counts.used })
        .from(counts)
        .where(inArray(counts.id, [...ids]))
      return new Map(rows.map(({ id, used }) => [id, used]))
    },

    /** How a quota stands in the window that ends then. */
    async useOf(quotaId: string, endsAt: number): Promise<QuotaUse> {
      const [row] = await db
        .select({
          counts: sql<number>`count(*)`.mapWith(Number),
          calls: sql<number>`coalesce(sum(${counts.used}), 0)`.mapWith(Number),
          most: sql<number>`coalesce(max(${counts.used}), 0)`.mapWith(Number),
        })
        .from(counts)
        .where(and(eq(counts.quotaId, quotaId), eq(counts.expiresAt, endsAt), gt(counts.used, 0)))
      return row ?? { counts: 0, calls: 0, most: 0 }
    },
  }
}
