import type { Queries } from './dialect.ts'
import type { Tables } from './schema.ts'

export type KeyCheck = Tables['keyChecks']['$inferSelect']

/** One known value sealed under each master key that was ever used here: what tells a wrong key at start. */
export function keyChecks(db: Queries, { keyChecks: table }: Tables) {
  return {
    list: async (): Promise<KeyCheck[]> => await db.select().from(table),

    async create(check: KeyCheck): Promise<void> {
      await db.insert(table).values(check).onConflictDoNothing().returning()
    },
  }
}
