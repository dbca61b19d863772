import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, eq, isNull, lt, ne, notExists } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type SigningKey = Tables['signingKeys']['$inferSelect']

/** When a key leaves the JWKS. */
export type Retirement = { readonly kid: string; readonly retiresAt: number }

/** Stands in the table only inside the transaction that creates the first key. */
const placeholder = 'first'

/** The keys access tokens are signed with. Exactly one of them, the youngest, has no `retiresAt`. */
export function signingKeys(db: Queries, tables: Tables, batch: Batch) {
  const { signingKeys: table } = tables

  const retire = (queries: Queries, { kid, retiresAt }: Retirement) =>
    queries.update(table).set({ retiresAt }).where(eq(table.kid, kid)).returning({ kid: table.kid })

  return {
    list: async (): Promise<SigningKey[]> => await db.select().from(table),

    /**
     * Creates the key if there is none, and tells whether it did. Two processes that start at once wait for one
     * another at the placeholder's primary key, so that the second sees the first one's key.
     */
    async createFirst(key: SigningKey): Promise<boolean> {
      const written = await batch((queries) => ({
        guard: queries
          .insert(table)
          .values({ ...key, kid: placeholder })
          .onConflictDoNothing()
          .returning({ kid: table.kid }),
        writes: [
          queries
            .update(table)
            .set({ kid: key.kid })
            .where(
              and(
                eq(table.kid, placeholder),
                notExists(queries.select({ kid: table.kid }).from(table).where(ne(table.kid, placeholder))),
              ),
            )
            .returning({ kid: table.kid }),
          queries.delete(table).where(eq(table.kid, placeholder)).returning({ kid: table.kid }),
        ],
      }))
      return written?.rows[0].length === 1
    },

    /** Puts a successor after the youngest key. False if another process did so first; then nothing is written. */
    async rotate(
      youngest: Retirement,
      successor: SigningKey,
      others: readonly Retirement[],
      event: NewAuditEvent,
    ): Promise<boolean> {
      const written = await batch((queries) => ({
        guard: queries
          .update(table)
          .set({ retiresAt: youngest.retiresAt })
          .where(and(eq(table.kid, youngest.kid), isNull(table.retiresAt)))
          .returning({ kid: table.kid }),
        writes: [
          queries.insert(table).values(successor).returning({ kid: table.kid }),
          recordEvent(queries, tables, event),
          ...others.map((retirement) => retire(queries, retirement)),
        ],
      }))
      return written !== undefined
    },

    /**
     * Takes a key away, as it was seen, and puts its successor there where it needs one. False if somebody else changed
     * it first; then nothing is written.
     */
    async remove(
      { kid, retiresAt }: Pick<SigningKey, 'kid' | 'retiresAt'>,
      successor: SigningKey | undefined,
      event: NewAuditEvent,
    ): Promise<boolean> {
      const asSeen = retiresAt === null ? isNull(table.retiresAt) : eq(table.retiresAt, retiresAt)
      const removed = await batch((queries) => ({
        guard: queries
          .delete(table)
          .where(and(eq(table.kid, kid), asSeen))
          .returning({ kid: table.kid }),
        writes: [
          recordEvent(queries, tables, event),
          ...(successor ? [queries.insert(table).values(successor).returning({ kid: table.kid })] : []),
        ],
      }))
      return removed !== undefined
    },

    async deleteRetired(before: number): Promise<number> {
      const deleted = await db.delete(table).where(lt(table.retiresAt, before)).returning({ kid: table.kid })
      return deleted.length
    },
  }
}
