import type { Queries } from './dialect.ts'
import type { Tables } from './schema.ts'

export type AuditKey = Tables['auditKeys']['$inferSelect']

/** The key every audit row is linked with, sealed. There is one. */
export function auditKeys(db: Queries, { auditKeys: table }: Tables) {
  return {
    async find(): Promise<AuditKey | undefined> {
      const [key] = await db.select().from(table).limit(1)
      return key
    },

    /** Another process may have been first: whoever made one looks again which it is. */
    async create(key: AuditKey): Promise<void> {
      await db.insert(table).values(key).onConflictDoNothing().returning()
    },
  }
}
