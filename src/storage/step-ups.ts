import type { Queries } from './dialect.ts'
import { and, eq, gt, isNull } from './drizzle.ts'
import { isOrphaned } from './query-errors.ts'
import type { Tables } from './schema.ts'

export type StepUp = Tables['stepUps']['$inferSelect']

/** The one call a sign-in is asked for. */
export type StepUpCall = Pick<StepUp, 'subjectId' | 'clientId' | 'resourceId' | 'tool' | 'argumentsHash'>

/** More than are open for one call, unless somebody asks for it so often at once. */
const most = 100

/** Sign-ins that were asked for before one call, each good for that call once: see `quotas.draw`. */
export function stepUps(db: Queries, { stepUps: table }: Tables) {
  return {
    /** `false`, and nothing is written, where the person, the client or the resource went at the same moment. */
    async create(stepUp: StepUp): Promise<boolean> {
      try {
        return (await db.insert(table).values(stepUp).returning({ id: table.id })).length > 0
      } catch (error) {
        if (isOrphaned(error)) return false
        throw error
      }
    },

    async find(id: string): Promise<StepUp | undefined> {
      const [found] = await db.select().from(table).where(eq(table.id, id))
      return found
    },

    /** Those that were asked for this call and not used, made or not. */
    async listOpen(call: StepUpCall, now: number): Promise<StepUp[]> {
      return await db
        .select()
        .from(table)
        .where(
          and(
            eq(table.subjectId, call.subjectId),
            eq(table.clientId, call.clientId),
            eq(table.resourceId, call.resourceId),
            eq(table.tool, call.tool),
            eq(table.argumentsHash, call.argumentsHash),
            isNull(table.usedAt),
            gt(table.expiresAt, now),
          ),
        )
        .limit(most)
    },
  }
}
