import { locking, type Queries } from './dialect.ts'
import { and, eq, isNotNull, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type Chore = Tables['chores']['$inferSelect']

/** What says whose turn it is: where somebody took it over, no row has this fence any more. */
export type ChoreLease = Pick<Chore, 'name' | 'fence'>

/**
 * Whose turn it is at what one process of all does at a time. Every change of a row changes `fence` or `beats`, so
 * that who takes it takes what they saw. Rows are never deleted, so that no fence comes again.
 */
export function chores(db: Queries, tables: Tables) {
  const { chores: table } = tables
  const lease = { name: table.name, fence: table.fence }
  return {
    list: async (): Promise<Chore[]> => await db.select().from(table),

    /** Takes it exactly as it was `seen`. `undefined`: somebody else was faster, or alive after all. */
    async take(name: string, seen: Chore | undefined, holder: string): Promise<ChoreLease | undefined> {
      const first = { name, fence: 1, beats: 0, holder, doneAt: null }
      const rows = seen
        ? await db
            .update(table)
            .set({ fence: seen.fence + 1, beats: 0, holder })
            .where(and(eq(table.name, name), eq(table.fence, seen.fence), eq(table.beats, seen.beats)))
            .returning(lease)
        : await db.insert(table).values(first).onConflictDoNothing().returning(lease)
      return rows[0]
    },

    /** A sign of life. `false`: somebody took it over. */
    async renew(lease: ChoreLease): Promise<boolean> {
      const renewed = await db
        .update(table)
        .set({ beats: sql`${table.beats} + 1` })
        .where(isHeld(tables, lease))
        .returning({ name: table.name })
      return renewed.length === 1
    },

    /** Gives it back, with when its work was done, if it was; nothing, where somebody took it over. */
    async release(lease: ChoreLease, done: { doneAt?: number }): Promise<void> {
      await db
        .update(table)
        .set({ ...done, holder: null, beats: sql`${table.beats} + 1` })
        .where(isHeld(tables, lease))
        .returning({ name: table.name })
    },
  }
}

function isHeld({ chores: table }: Tables, { name, fence }: ChoreLease) {
  return and(eq(table.name, name), eq(table.fence, fence), isNotNull(table.holder))
}

/** Its name as a subquery, empty where somebody took it over. Until the batch ends nobody can. */
export function heldChore(queries: Queries, tables: Tables, lease: ChoreLease) {
  const { name } = tables.chores
  return locking(queries.select({ name }).from(tables.chores).where(isHeld(tables, lease)))
}
