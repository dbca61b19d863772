import { and, eq, gt, isNull, sql } from 'drizzle-orm'
import type { Queries } from './dialect.ts'
import type { Tables } from './schema.ts'

export type Interaction = Tables['interactions']['$inferSelect']

/** What a step may change. */
export type InteractionChange = Partial<
  Pick<
    Interaction,
    | 'request'
    | 'signInProvider'
    | 'subjectId'
    | 'authTime'
    | 'switchesAccount'
    | 'consent'
    | 'connected'
    | 'leg'
    | 'legStateHash'
    | 'sealedLegSecrets'
    | 'completedAt'
  >
>

/** Authorization requests and connect links under way, each bound to one browser. */
export function interactions(db: Queries, { interactions: table }: Tables) {
  const underWay = (now: number) => and(isNull(table.completedAt), gt(table.expiresAt, now))
  return {
    async create(interaction: Interaction): Promise<void> {
      await db.insert(table).values(interaction).returning({ id: table.id })
    },

    async find(id: string, now: number): Promise<Interaction | undefined> {
      const [interaction] = await db
        .select()
        .from(table)
        .where(and(eq(table.id, id), underWay(now)))
      return interaction
    },

    async findByState(legStateHash: string, now: number): Promise<Interaction | undefined> {
      const [interaction] = await db
        .select()
        .from(table)
        .where(and(eq(table.legStateHash, legStateHash), underWay(now)))
      return interaction
    },

    /**
     * Takes one step from the state of the row that was read; `undefined` where another step was faster. This
     * is also what lets an upstream state be used once: taking it clears its hash.
     */
    async advance(
      from: Interaction,
      change: InteractionChange,
      now: number,
    ): Promise<Interaction | undefined> {
      const [interaction] = await db
        .update(table)
        .set({ ...change, version: sql`${table.version} + 1` })
        .where(and(eq(table.id, from.id), eq(table.version, from.version), underWay(now)))
        .returning()
      return interaction
    },
  }
}
