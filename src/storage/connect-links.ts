import type { NewAuditEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, eq, gt } from './drizzle.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type ConnectLink = Tables['connectLinks']['$inferSelect']

/** One-time links through which a person connects, repairs or widens an account for one token session. */
export function connectLinks(db: Queries, tables: Tables, batch: Batch) {
  const { connectLinks: table } = tables
  const recorded = recordedIn(batch, tables)
  return {
    async create(link: ConnectLink, event: NewAuditEvent): Promise<void> {
      await recorded(event, (queries) =>
        queries.insert(table).values(link).returning({ grantId: table.grantId }),
      )
    },

    /** Ended links are found too: their state can be asked for. */
    async find(ticketHash: string): Promise<ConnectLink | undefined> {
      const [link] = await db.select().from(table).where(eq(table.ticketHash, ticketHash))
      return link
    },

    /** The single use: `pending` becomes `opened` once. */
    async consume(ticketHash: string, now: number): Promise<ConnectLink | undefined> {
      const [link] = await db
        .update(table)
        .set({ status: 'opened' })
        .where(and(eq(table.ticketHash, ticketHash), eq(table.status, 'pending'), gt(table.expiresAt, now)))
        .returning()
      return link
    },

    async finish(
      ticketHash: string,
      end: Pick<ConnectLink, 'status' | 'reason'>,
      event: NewAuditEvent,
    ): Promise<void> {
      await recorded(event, (queries) =>
        queries
          .update(table)
          .set(end)
          .where(and(eq(table.ticketHash, ticketHash), eq(table.status, 'opened')))
          .returning({ grantId: table.grantId }),
      )
    },
  }
}
