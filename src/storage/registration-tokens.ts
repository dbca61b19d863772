import type { NewAuditEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, eq, gt } from './drizzle.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type RegistrationToken = Tables['registrationTokens']['$inferSelect']

/** Tokens that let somebody register a client (RFC 7591 section 3). Registering spends them, see `clients.create`. */
export function registrationTokens(db: Queries, tables: Tables, batch: Batch) {
  const { registrationTokens: table } = tables
  const recorded = recordedIn(batch, tables)
  return {
    async find(tokenHash: string, now: number): Promise<RegistrationToken | undefined> {
      const [token] = await db
        .select()
        .from(table)
        .where(and(eq(table.tokenHash, tokenHash), gt(table.expiresAt, now), gt(table.usesLeft, 0)))
      return token
    },

    list: async (): Promise<RegistrationToken[]> =>
      await db.select().from(table).orderBy(asc(table.createdAt), asc(table.id)),

    async create(token: RegistrationToken, event: NewAuditEvent): Promise<void> {
      await recorded(event, (queries) => queries.insert(table).values(token).returning({ id: table.id }))
    },

    async delete(id: string, event: NewAuditEvent): Promise<RegistrationToken | undefined> {
      const [deleted] = await recorded(event, (queries) =>
        queries.delete(table).where(eq(table.id, id)).returning(),
      )
      return deleted
    },
  }
}
