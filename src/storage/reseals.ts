import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import { type ChoreLease, heldChore } from './chores.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, eq, exists, isNull, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type Reseal = Tables['reseals']['$inferSelect']

/** Who is at it, and for which key. */
export type ResealTurn = { lease: ChoreLease; masterKeyId: string }

const id = 'reseal'

/** The wrapping of all sealed values by one master key: what was asked for, and how far it is. */
export function reseals(db: Queries, tables: Tables, batch: Batch) {
  const { reseals: table } = tables
  /** Only while it is their turn, and nobody asked for another key. */
  const isOf = (queries: Queries, { lease, masterKeyId }: ResealTurn) =>
    and(
      eq(table.id, id),
      eq(table.masterKeyId, masterKeyId),
      isNull(table.finishedAt),
      exists(heldChore(queries, tables, lease)),
    )

  return {
    async find(): Promise<Reseal | undefined> {
      const [row] = await db.select().from(table).limit(1)
      return row
    },

    /** `false`: it is under way already, for the same key. One for another key gives way. */
    async request(
      asked: Pick<Reseal, 'masterKeyId' | 'requestedBy' | 'requestedAt'>,
      event: NewAuditEvent,
    ): Promise<boolean> {
      const fresh = { ...asked, resealed: 0, unopened: 0, finishedAt: null }
      const requested = await batch((queries) => ({
        guard: queries
          .insert(table)
          .values({ id, ...fresh })
          .onConflictDoUpdate({
            target: table.id,
            set: fresh,
            setWhere: sql`${table.finishedAt} is not null or ${table.masterKeyId} <> ${asked.masterKeyId}`,
          })
          .returning({ id: table.id }),
        writes: [recordEvent(queries, tables, event)],
      }))
      return requested !== undefined
    },

    /** Adds to what was done. `false`: it is somebody else's turn, or another key was asked for. */
    async advance(turn: ResealTurn, resealed: number): Promise<boolean> {
      const advanced = await db
        .update(table)
        .set({ resealed: sql`${table.resealed} + ${resealed}` })
        .where(isOf(db, turn))
        .returning({ id: table.id })
      return advanced.length === 1
    },

    async finish(
      turn: ResealTurn,
      { unopened, finishedAt }: { unopened: number; finishedAt: number },
      event: NewAuditEvent,
    ): Promise<boolean> {
      const finished = await batch((queries) => ({
        guard: queries
          .update(table)
          .set({ unopened, finishedAt })
          .where(isOf(queries, turn))
          .returning({ id: table.id }),
        writes: [recordEvent(queries, tables, event)],
      }))
      return finished !== undefined
    },
  }
}
