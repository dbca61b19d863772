import type { Queries } from './dialect.ts'
import { and, eq, gt, isNotNull, isNull } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type StepUp = Tables['stepUps']['$inferSelect']

/** The one call a sign-in is asked for. */
export type StepUpCall = Pick<StepUp, 'subjectId' | 'clientId' | 'resourceId' | 'tool' | 'argumentsHash'>

/** Sign-ins that were asked for before one call, each good for that call once. */
export function stepUps(db: Queries, { stepUps: table }: Tables) {
  const isFor = (call: StepUpCall) =>
    and(
      eq(table.subjectId, call.subjectId),
      eq(table.clientId, call.clientId),
      eq(table.resourceId, call.resourceId),
      eq(table.tool, call.tool),
      eq(table.argumentsHash, call.argumentsHash),
    )
  return {
    async create(stepUp: StepUp): Promise<void> {
      await db.insert(table).values(stepUp).returning({ id: table.id })
    },

    async find(id: string): Promise<StepUp | undefined> {
      const [found] = await db.select().from(table).where(eq(table.id, id))
      return found
    },

    /** One that was asked for this call and that nobody has signed in for yet. */
    async findPending(call: StepUpCall, now: number): Promise<StepUp | undefined> {
      const [found] = await db
        .select()
        .from(table)
        .where(and(isFor(call), isNull(table.authTime), gt(table.expiresAt, now)))
        .limit(1)
      return found
    },

    /** The single use: one sign-in that was made for this call, from now on used. */
    async consume(call: StepUpCall, now: number): Promise<StepUp | undefined> {
      const [ready] = await db
        .select({ id: table.id })
        .from(table)
        .where(and(isFor(call), isNotNull(table.authTime), isNull(table.usedAt), gt(table.expiresAt, now)))
        .limit(1)
      if (!ready) return undefined
      const [used] = await db
        .update(table)
        .set({ usedAt: now })
        .where(and(eq(table.id, ready.id), isNull(table.usedAt), gt(table.expiresAt, now)))
        .returning()
      return used
    },
  }
}
