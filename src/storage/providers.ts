import { asc, eq, sql } from 'drizzle-orm'
import type { NewAuditEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type ProviderRow = Tables['providers']['$inferSelect']

/** The providers an administrator set up; a handful, never paged. */
export function providers(db: Queries, tables: Tables, batch: Batch) {
  const { providers: table } = tables
  const recorded = recordedIn(batch, tables)
  return {
    async find(id: string): Promise<ProviderRow | undefined> {
      const [row] = await db.select().from(table).where(eq(table.id, id))
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

    async delete(id: string, event: NewAuditEvent): Promise<ProviderRow | undefined> {
      const [deleted] = await recorded(event, (queries) =>
        queries.delete(table).where(eq(table.id, id)).returning(),
      )
      return deleted
    },
  }
}
