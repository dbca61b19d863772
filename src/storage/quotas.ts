import type { NewAuditEvent } from './audit-events.ts'
import type { Decision } from './decisions.ts'
import { type Batch, locking, type Queries } from './dialect.ts'
import { and, asc, eq, gt, inArray, isNotNull, isNull, type SQL, sql } from './drizzle.ts'
import { prepared, type Slots } from './prepared.ts'
import { isOrphaned } from './query-errors.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Quota = Tables['quotas']['$inferSelect']

/** A count that is drawn on, and up to what. */
export type Draw = { id: string; quotaId: string; limit: number; endsAt: number }

/** What a call takes besides, in the same moment: the sign-in made for it, and its place among the decisions. */
export type Takes = { signIn?: { id: string; now: number } | undefined; decision?: Decision | undefined }

/** How a quota stands in one window: how many counts were drawn on, how often, and the fullest of them. */
export type QuotaUse = { counts: number; calls: number; most: number }

/** How often tools may be called, and how often they were. */
export function quotas(db: Queries, tables: Tables, batch: Batch) {
  const { quotas: table, quotaCounts: counts, stepUps, decisions } = tables
  const recorded = recordedIn(batch, tables)
  const ofResource = prepared((queries, of: Slots<{ resourceId: string }>) =>
    queries.select().from(table).where(eq(table.resourceId, of.resourceId)).orderBy(asc(table.id)),
  )
  const hasRoom = ({ id, limit }: Draw) =>
    sql`coalesce((select used from quota_counts where id = ${id}), 0) < ${limit}`

  /** How often each was drawn on; those that never were are absent. */
  async function used(ids: readonly string[]): Promise<Map<string, number>> {
    if (ids.length === 0) return new Map()
    const rows = await db
      .select({ id: counts.id, used: counts.used })
      .from(counts)
      .where(inArray(counts.id, [...ids]))
    return new Map(rows.map((row) => [row.id, row.used]))
  }

  /** Makes the counts that nobody drew on yet. What is full stays so while its window lasts, and costs no write. */
  async function begin(draws: readonly Draw[]): Promise<boolean> {
    const known = await used(draws.map(({ id }) => id))
    if (draws.some(({ id, limit }) => (known.get(id) ?? 0) >= limit)) return false
    const fresh = draws.filter(({ id }) => !known.has(id))
    if (fresh.length === 0) return true
    await db
      .insert(counts)
      .values(fresh.map(({ id, quotaId, endsAt }) => ({ id, quotaId, used: 0, expiresAt: endsAt })))
      .onConflictDoNothing()
      .returning({ id: counts.id })
    return true
  }

  function drawing(queries: Queries, draws: readonly Draw[], { signIn, decision }: Takes) {
    const ids = draws.map(({ id }) => id)
    const room = and(...draws.map(hasRoom))
    const count = (condition?: SQL) =>
      queries
        .update(counts)
        .set({ used: sql`${counts.used} + 1` })
        .where(and(inArray(counts.id, ids), condition))
        .returning({ id: counts.id })
    const held = queries.select({ id: counts.id }).from(counts).where(inArray(counts.id, ids))
    const kept = decision ? [queries.insert(decisions).values(decision).returning({ id: decisions.id })] : []
    const lock = locking(held.orderBy(asc(counts.id)))
    if (!signIn) return { lock, guard: count(room), writes: kept }
    const guard = queries
      .update(stepUps)
      .set({ usedAt: signIn.now })
      .where(
        and(
          eq(stepUps.id, signIn.id),
          isNotNull(stepUps.authTime),
          isNull(stepUps.usedAt),
          gt(stepUps.expiresAt, signIn.now),
          room,
        ),
      )
      .returning({ id: stepUps.id })
    return { lock, guard, writes: [...(ids.length > 0 ? [count()] : []), ...kept] }
  }

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
     * Counts one call in each and does with it what it `takes`; or none of all that, where one of them is full or the
     * sign-in was used. Exact whoever draws at the same time: the counts are locked, always in one order, before they
     * are looked at.
     */
    async draw(draws: readonly Draw[], takes: Takes = {}): Promise<boolean> {
      const ordered = draws.toSorted((left, right) => (left.id < right.id ? -1 : 1))
      try {
        if (!(await begin(ordered))) return false
        return (await batch((queries) => drawing(queries, ordered, takes))) !== undefined
      } catch (error) {
        // The quota or the resource went at the same moment; who asks again is told what is left.
        if (isOrphaned(error)) return false
        throw error
      }
    },

    used,

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
