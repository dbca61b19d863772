import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, eq } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type KeyCheck = Tables['keyChecks']['$inferSelect']

/** What tells whether a master key is the right one. */
export type StoredCheck = Pick<KeyCheck, 'masterKeyId' | 'sealedCheck'>

/** Reads them as they have been since the first migration, whichever of the later ones this database has had. */
export const selectChecks =
  'SELECT master_key_id AS "masterKeyId", sealed_check AS "sealedCheck" FROM key_checks'

/** One known value sealed under each master key that was ever used here: what tells a wrong key at start. */
export function keyChecks(db: Queries, tables: Tables, batch: Batch) {
  const { keyChecks: table } = tables
  return {
    list: async (): Promise<KeyCheck[]> => await db.select().from(table),

    async create(check: KeyCheck): Promise<void> {
      await db.insert(table).values(check).onConflictDoNothing().returning()
    },

    /** Puts the same value, wrapped otherwise, in the place of what was read; not where somebody else was faster. */
    async replace({ masterKeyId, sealedCheck }: StoredCheck, by: string): Promise<void> {
      await db
        .update(table)
        .set({ sealedCheck: by })
        .where(and(eq(table.masterKeyId, masterKeyId), eq(table.sealedCheck, sealedCheck)))
        .returning({ masterKeyId: table.masterKeyId })
    },

    /** Forgets a key. `false`: it was not known. */
    async retire(masterKeyId: string, event: NewAuditEvent): Promise<boolean> {
      const retired = await batch((queries) => ({
        guard: queries
          .delete(table)
          .where(eq(table.masterKeyId, masterKeyId))
          .returning({ masterKeyId: table.masterKeyId }),
        writes: [recordEvent(queries, tables, event)],
      }))
      return retired !== undefined
    },
  }
}
