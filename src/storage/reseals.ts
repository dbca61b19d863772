import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, eq, isNull, lt, or, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type Reseal = Tables['reseals']['$inferSelect']

/** Who is at it: the process, and until when it may go on without saying so again. */
export type ResealLease = { holder: string; leaseEndsAt: number }

const id = 'reseal'

/** The wrapping of all sealed values by one master key: what was asked for, and who is at it. */
export function reseals(db: Queries, tables: Tables, batch: Batch) {
  const { reseals: table } = tables
  const isOf = ({ holder }: Pick<ResealLease, 'holder'>) =>
    and(eq(table.id, id), eq(table.holder, holder), isNull(table.finishedAt))

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
      const fresh = { ...asked, holder: null, leaseEndsAt: 0, resealed: 0, unopened: 0, finishedAt: null }
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

    /** Takes it up where nobody is at it. `undefined`: nothing to do with this key, or somebody else is. */
    async take(masterKeyId: string, lease: ResealLease, now: number): Promise<Reseal | undefined> {
      const [taken] = await db
        .update(table)
        .set(lease)
        .where(
          and(
            eq(table.id, id),
            eq(table.masterKeyId, masterKeyId),
            isNull(table.finishedAt),
            or(isNull(table.holder), eq(table.holder, lease.holder), lt(table.leaseEndsAt, now)),
          ),
        )
        .returning()
      return taken
    },

    /** Adds to what was done, and keeps the lease. `false`: somebody else has it. */
    async advance(lease: ResealLease, resealed: number): Promise<boolean> {
      const advanced = await db
        .update(table)
        .set({ leaseEndsAt: lease.leaseEndsAt, resealed: sql`${table.resealed} + ${resealed}` })
        .where(isOf(lease))
        .returning({ id: table.id })
      return advanced.length === 1
    },

    /** Lets somebody else go on at once. */
    async release(lease: Pick<ResealLease, 'holder'>): Promise<void> {
      await db.update(table).set({ holder: null, leaseEndsAt: 0 }).where(isOf(lease)).returning()
    },

    async finish(
      { holder }: Pick<ResealLease, 'holder'>,
      { unopened, finishedAt }: { unopened: number; finishedAt: number },
      event: NewAuditEvent,
    ): Promise<boolean> {
      const finished = await batch((queries) => ({
        guard: queries
          .update(table)
          .set({ unopened, finishedAt, holder: null })
          .where(isOf({ holder }))
          .returning({ id: table.id }),
        writes: [recordEvent(queries, tables, event)],
      }))
      return finished !== undefined
    },
  }
}
