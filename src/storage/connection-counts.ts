import { setImmediate as turn } from 'node:timers/promises'
import type { Connection } from './connections.ts'
import type { Database } from './database.ts'
import { and, eq, gt, sql } from './drizzle.ts'

export type ConnectionCount = { provider: string; status: Connection['status']; count: number }

const statuses = ['live', 'needs_reauthorization'] as const satisfies Connection['status'][]

/**
 * How many connections there are, each count up to `most`. In small statements over an index alone, between which
 * requests are answered.
 */
export async function countConnections(
  { db, tables: { connections: table } }: Pick<Database, 'db' | 'tables'>,
  most: number,
): Promise<ConnectionCount[]> {
  const counts: ConnectionCount[] = []
  for (let provider = await providerAfter(''); provider !== null; provider = await providerAfter(provider)) {
    for (const status of statuses) {
      await turn()
      counts.push({ provider, status, count: await countOf(provider, status) })
    }
  }
  return counts

  /** A search in the index, where DISTINCT would walk through all of it. */
  async function providerAfter(provider: string): Promise<string | null> {
    const [next] = await db
      .select({ provider: sql<string | null>`min(${table.provider})` })
      .from(table)
      .where(gt(table.provider, provider))
    return next?.provider ?? null
  }

  async function countOf(provider: string, status: Connection['status']): Promise<number> {
    const some = db
      .select({ provider: table.provider })
      .from(table)
      .where(and(eq(table.provider, provider), eq(table.status, status)))
      .limit(most)
      .as('some')
    const [counted] = await db.select({ count: sql<number>`count(*)` }).from(some)
    return counted?.count ?? 0
  }
}
