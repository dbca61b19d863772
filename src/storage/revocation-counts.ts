import type { Database } from './database.ts'
import { sql } from './drizzle.ts'

export type RevocationCount = { provider: string; state: 'new' | 'troubled'; count: number }

/** What waits to be told to providers, of the first `most` rows. */
export async function countRevocations(
  { db, tables: { upstreamRevocations: table } }: Pick<Database, 'db' | 'tables'>,
  most: number,
): Promise<RevocationCount[]> {
  const some = db
    .select({ provider: table.provider, isTroubled: sql<number>`${table.attempts} > 0`.as('is_troubled') })
    .from(table)
    .limit(most)
    .as('some')
  const counted = await db
    .select({ provider: some.provider, isTroubled: some.isTroubled, count: sql<number>`count(*)` })
    .from(some)
    .groupBy(some.provider, some.isTroubled)
  return counted.map(({ provider, isTroubled, count }) => ({
    provider,
    state: isTroubled ? 'troubled' : 'new',
    count: Number(count),
  }))
}
