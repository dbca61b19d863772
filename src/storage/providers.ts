import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, eq, sql } from './drizzle.ts'
import { prepared, type Slots } from './prepared.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'
import { queueRevocations } from './upstream-revocations.ts'

export type ProviderRow = Tables['providers']['$inferSelect']

/**
 * What a provider said of people is its word no more once it is gone, or leads elsewhere: another one by its name must
 * not find that somebody is in its groups.
 */
export const forgetGroups = (queries: Queries, { identities }: Tables, provider: string) =>
  queries
    .update(identities)
    .set({ groups: [] })
    .where(eq(identities.provider, provider))
    .returning({ subjectId: identities.subjectId })

/** The providers an administrator set up; a handful, never paged. */
export function providers(db: Queries, tables: Tables, batch: Batch) {
  const { providers: table, connections } = tables
  const recorded = recordedIn(batch, tables)

  const isLiveAt = (provider: string) =>
    sql`${connections.provider} = ${provider} and ${connections.status} = 'live'`

  const endConnections = (queries: Queries, provider: string, death: { reason: string; at: number }) =>
    queries
      .update(connections)
      .set({
        status: 'needs_reauthorization',
        statusReason: death.reason,
        statusSince: death.at,
        version: sql`${connections.version} + 1`,
      })
      .where(isLiveAt(provider))
      .returning({ id: connections.id })

  const byId = prepared((queries, of: Slots<{ id: string }>) =>
    queries.select().from(table).where(eq(table.id, of.id)),
  )

  return {
    async find(id: string): Promise<ProviderRow | undefined> {
      const [row] = await byId(db, { id })
      return row
    },

    list: async (): Promise<ProviderRow[]> => await db.select().from(table).orderBy(asc(table.id)),

    /** Creates or replaces; the version grows with every replacement. */
    async save(row: Omit<ProviderRow, 'version'>, event: NewAuditEvent): Promise<ProviderRow> {
      const { id: _, createdAt: __, ...current } = row
      const [saved] = await recorded(event, (queries) =>
        queries
          .insert(table)
          .values({ ...row, version: 1 })
          .onConflictDoUpdate({ target: table.id, set: { ...current, version: sql`${table.version} + 1` } })
          .returning(),
      )
      if (!saved) throw new Error('an upsert returned no row')
      return saved
    },

    /**
     * Replaces exactly the version that was read; `undefined` where somebody else was faster. A `death` befalls
     * every connection made at the provider as it was: their tokens must not go to where it is now, and are queued to
     * be revoked where they came from. What groups people were in is forgotten with them.
     */
    async replace(
      read: ProviderRow,
      row: Omit<ProviderRow, 'version'>,
      event: NewAuditEvent,
      death?: { reason: string; at: number },
    ): Promise<{ row: ProviderRow; connectionsEnded: number } | undefined> {
      const replaced = await batch((queries) => ({
        // Held as it is until the tokens that came from it are queued with it.
        guard: queries
          .update(table)
          .set({ version: sql`${table.version}` })
          .where(and(eq(table.id, read.id), eq(table.version, read.version)))
          .returning({ id: table.id }),
        writes: [
          queueRevocations(queries, tables, death ? isLiveAt(read.id) : sql`false`, {
            event,
            extent: 'token',
            now: row.updatedAt,
          }),
          queries
            .update(table)
            .set({ ...row, version: sql`${table.version} + 1` })
            .where(eq(table.id, read.id))
            .returning(),
          recordEvent(queries, tables, event),
          ...(death ? [endConnections(queries, read.id, death), forgetGroups(queries, tables, read.id)] : []),
        ],
      }))
      const [saved] = replaced?.rows[1] ?? []
      return saved && { row: saved, connectionsEnded: replaced?.rows[3]?.length ?? 0 }
    },
  }
}
