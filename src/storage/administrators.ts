import type { NewAuditEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, eq, isNull, lt, or } from './drizzle.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Administrator = Tables['administrators']['$inferSelect']

export type AdministratorChange = Partial<Pick<Administrator, 'role' | 'enabled' | 'passwordHash'>>

/** Who administers by name and password; a handful, never paged. */
export function administrators(db: Queries, tables: Tables, batch: Batch) {
  const { administrators: table } = tables
  const recorded = recordedIn(batch, tables)
  return {
    async find(name: string): Promise<Administrator | undefined> {
      const [row] = await db.select().from(table).where(eq(table.name, name))
      return row
    },

    list: async (): Promise<Administrator[]> => await db.select().from(table).orderBy(asc(table.name)),

    /** `undefined` where the name is taken. */
    async create(row: Administrator, event: NewAuditEvent): Promise<Administrator | undefined> {
      const [created] = await recorded(event, (queries) =>
        queries.insert(table).values(row).onConflictDoNothing().returning(),
      )
      return created
    },

    async update(
      name: string,
      change: AdministratorChange,
      event: NewAuditEvent,
    ): Promise<Administrator | undefined> {
      const [updated] = await recorded(event, (queries) =>
        queries.update(table).set(change).where(eq(table.name, name)).returning(),
      )
      return updated
    },

    async delete(name: string, event: NewAuditEvent): Promise<Administrator | undefined> {
      const [deleted] = await recorded(event, (queries) =>
        queries.delete(table).where(eq(table.name, name)).returning(),
      )
      return deleted
    },

    /** Remembers that they were here, unless that is known to be so since `since`. */
    async touch(name: string, { now, since }: { now: number; since: number }): Promise<void> {
      await db
        .update(table)
        .set({ lastSeenAt: now })
        .where(and(eq(table.name, name), or(isNull(table.lastSeenAt), lt(table.lastSeenAt, since))))
        .returning({ name: table.name })
    },
  }
}
