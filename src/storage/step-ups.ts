import type { Batch, Queries } from './dialect.ts'
import { and, desc, eq, gt, inArray, isNull } from './drizzle.ts'
import { isOrphaned } from './query-errors.ts'
import type { Tables } from './schema.ts'

export type StepUp = Tables['stepUps']['$inferSelect']

/** The one call a sign-in is asked for. */
export type StepUpCall = Pick<StepUp, 'subjectId' | 'clientId' | 'resourceId' | 'tool' | 'argumentsHash'>

/** Sign-ins that one person is asked for at once before calls of one tool by one client: whoever calls makes them. */
const most = 50

/** Sign-ins that were asked for before one call, each good for that call once: see `quotas.draw`. */
export function stepUps(db: Queries, { stepUps: table }: Tables, batch: Batch) {
  const isOfTool = (call: StepUpCall) =>
    and(
      eq(table.subjectId, call.subjectId),
      eq(table.clientId, call.clientId),
      eq(table.resourceId, call.resourceId),
      eq(table.tool, call.tool),
    )

  const awaited = (queries: Queries, call: StepUpCall) =>
    queries
      .select({ id: table.id })
      .from(table)
      .where(and(isOfTool(call), isNull(table.authTime)))
      .orderBy(desc(table.createdAt), desc(table.id))

  return {
    /**
     * In place of the oldest that is still awaited, where there are too many. `false`, and nothing is written, where the
     * person, the client or the resource went at the same moment.
     */
    async create(stepUp: StepUp): Promise<boolean> {
      try {
        const created = await batch((queries) => ({
          guard: queries.insert(table).values(stepUp).returning({ id: table.id }),
          writes: [
            queries
              .delete(table)
              .where(inArray(table.id, awaited(queries, stepUp).limit(most).offset(most)))
              .returning({ id: table.id }),
          ],
        }))
        return created !== undefined
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
            isOfTool(call),
            eq(table.argumentsHash, call.argumentsHash),
            isNull(table.usedAt),
            gt(table.expiresAt, now),
          ),
        )
        .limit(most)
    },
  }
}
