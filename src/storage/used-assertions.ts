import type { Queries } from './dialect.ts'
import type { Tables } from './schema.ts'

export type UsedAssertion = Tables['usedAssertions']['$inferSelect']

/** Signed assertions that were presented, until they have ended by themselves. */
export function usedAssertions(db: Queries, { usedAssertions: table }: Tables) {
  return {
    /** The single use: whether nobody presented it before. */
    async consume(assertion: UsedAssertion): Promise<boolean> {
      const rows = await db
        .insert(table)
        .values(assertion)
        .onConflictDoNothing()
        .returning({ hash: table.assertionHash })
      return rows.length > 0
    },
  }
}
