import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, desc, eq, gt, isNull, lt, or, sql } from './drizzle.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { inColumns, prepared, type Slots } from './prepared.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Client = Tables['clients']['$inferSelect']

/** How long a use stays unwritten, so that a busy client does not cost a write per request. */
const useGranularity = 3600

/** OAuth clients, however they came to be known. */
export function clients(db: Queries, tables: Tables, batch: Batch) {
  const { clients: table } = tables
  const recorded = recordedIn(batch, tables)
  /** The end of one that is used must not come nearer because it was looked at. */
  const noSooner = ({ expiresAt }: Client) =>
    sql`case when ${table.expiresAt} > ${expiresAt} then ${table.expiresAt} else ${expiresAt} end`
  const byId = prepared((queries, of: Slots<{ id: string }>) =>
    queries.select().from(table).where(eq(table.id, of.id)),
  )
  const insert = prepared((queries, of: Slots<Client>) =>
    queries.insert(table).values(inColumns(table, of)).returning({ id: table.id }),
  )
  return {
    /** Expired registrations are not found, swept or not. */
    async find(id: string, now: number): Promise<Client | undefined> {
      const [client] = await byId(db, { id })
      return client && (client.expiresAt === null || client.expiresAt > now) ? client : undefined
    },

    async create(client: Client, event: NewAuditEvent): Promise<void> {
      await recorded(event, (queries) => insert(queries, client))
    },

    /** A client that came by itself: it enters the record when it is first used, see `noteFirstUse`. */
    async createUnrecorded(client: Client): Promise<void> {
      await insert(db, client)
    },

    /** Registers a client by a token that allows it, which is spent by it; false where it is spent or ended already. */
    async createBy(
      token: { tokenHash: string; now: number },
      client: Client,
      event: NewAuditEvent,
    ): Promise<boolean> {
      const { registrationTokens } = tables
      const { tokenHash, usesLeft, expiresAt } = registrationTokens
      const written = await batch((queries) => ({
        guard: queries
          .update(registrationTokens)
          .set({ usesLeft: sql`${usesLeft} - 1` })
          .where(and(eq(tokenHash, token.tokenHash), gt(usesLeft, 0), gt(expiresAt, token.now)))
          .returning({ id: registrationTokens.id }),
        writes: [insert(queries, client), recordEvent(queries, tables, event)],
      }))
      return written !== undefined
    },

    /** Writes a client of the configuration file as it stands there now. */
    async save(client: Client, event: NewAuditEvent): Promise<void> {
      const { id: _, createdAt: __, lastUsedAt: ___, ...current } = client
      await recorded(event, (queries) =>
        queries
          .insert(table)
          .values(client)
          .onConflictDoUpdate({ target: table.id, set: current })
          .returning({ id: table.id }),
      )
    },

    /**
     * Writes a client as its document says it is now. Whether an administrator disabled it stays as it was. Without an
     * event it is not recorded: one that nobody uses may change as often as its host likes.
     */
    async saveDocument(client: Client, event: NewAuditEvent | undefined): Promise<Client> {
      const { metadata, freshUntil } = client
      const write = (queries: Queries) =>
        queries
          .insert(table)
          .values(client)
          .onConflictDoUpdate({
            target: table.id,
            set: { metadata, freshUntil, expiresAt: noSooner(client) },
          })
          .returning()
      const [saved] = event ? await recorded(event, write) : await write(db)
      if (!saved) throw new Error('an upsert returned no row')
      return saved
    },

    /** Its document was read again and says the same. */
    async refreshDocument(client: Client): Promise<Client | undefined> {
      const [refreshed] = await db
        .update(table)
        .set({ freshUntil: client.freshUntil, expiresAt: noSooner(client) })
        .where(eq(table.id, client.id))
        .returning()
      return refreshed
    },

    /**
     * A client replaces what it registered, and the token it does so with; nothing where that is its token no more.
     * People's yeses were to what it was before. Without an event it is not recorded.
     */
    async replaceRegistration(
      key: { id: string; registrationTokenHash: string },
      change: Pick<Client, 'metadata' | 'secretHash' | 'registrationTokenHash'>,
      event: NewAuditEvent | undefined,
    ): Promise<Client | undefined> {
      const { consents } = tables
      const replaced = await batch((queries) => ({
        guard: queries
          .update(table)
          .set(change)
          .where(and(eq(table.id, key.id), eq(table.registrationTokenHash, key.registrationTokenHash)))
          .returning(),
        writes: [
          queries.delete(consents).where(eq(consents.clientId, key.id)).returning({ at: consents.grantedAt }),
          ...(event ? [recordEvent(queries, tables, event)] : []),
        ],
      }))
      return replaced?.guard[0]
    },

    /** The first use of a client, once, with what the record says of it. */
    async noteFirstUse(
      id: string,
      now: number,
      expiresAt: number | null,
      event: NewAuditEvent,
    ): Promise<void> {
      await recorded(event, (queries) =>
        queries
          .update(table)
          .set({ lastUsedAt: now, expiresAt })
          .where(and(eq(table.id, id), isNull(table.lastUsedAt)))
          .returning({ id: table.id }),
      )
    },

    /** Notes a use, at most once an hour; a registration in use lives on until `expiresAt`. */
    async touch(
      { id, lastUsedAt }: Pick<Client, 'id' | 'lastUsedAt'>,
      now: number,
      expiresAt: number | null,
    ): Promise<void> {
      // A write that changes nothing would be a commit all the same.
      if (lastUsedAt !== null && lastUsedAt >= now - useGranularity) return
      await db
        .update(table)
        .set({ lastUsedAt: now, expiresAt })
        .where(
          and(eq(table.id, id), or(isNull(table.lastUsedAt), lt(table.lastUsedAt, now - useGranularity))),
        )
        .returning({ id: table.id })
    },

    async update(
      id: string,
      change: Partial<Pick<Client, 'enabled' | 'trusted'>>,
      event: NewAuditEvent,
    ): Promise<Client | undefined> {
      const [changed] = await recorded(event, (queries) =>
        queries.update(table).set(change).where(eq(table.id, id)).returning(),
      )
      return changed
    },

    async list(filter: Partial<Pick<Client, 'origin'>>, page: PageRequest): Promise<Page<Client>> {
      const rows = await db
        .select()
        .from(table)
        .where(
          and(
            filter.origin === undefined ? undefined : eq(table.origin, filter.origin),
            page.cursor === undefined ? undefined : lt(table.id, page.cursor),
          ),
        )
        .orderBy(desc(table.id))
        .limit(page.limit + 1)
      return toPage(rows, page.limit, (row) => row.id)
    },
  }
}
