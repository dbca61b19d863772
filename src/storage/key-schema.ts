import type { Dialect } from './dialect.ts'

/** What is remembered of master keys, beside the checks that prove them. */
export function defineKeyTables({ table, text, integer }: Dialect) {
  /** One row at most: the last time all sealed values were to be wrapped by the sealing key. */
  const reseals = table('reseals', {
    id: text('id').primaryKey(),
    /** The master key everything is to be wrapped by; only a process that seals with it does this. */
    masterKeyId: text('master_key_id').notNull(),
    requestedBy: text('requested_by').notNull(),
    requestedAt: integer('requested_at').notNull(),
    resealed: integer('resealed').notNull(),
    /** Values that open under no key at hand, and were left as they are. */
    unopened: integer('unopened').notNull(),
    finishedAt: integer('finished_at'),
  })
  return { reseals }
}
