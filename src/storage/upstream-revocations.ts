import type { PgColumn } from 'drizzle-orm/pg-core'
import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Connection } from './connections.ts'
import type { Batch, Queries } from './dialect.ts'
import type { RefreshTrouble } from './documents.ts'
import { and, asc, desc, eq, inArray, lt, lte, type SQL, sql } from './drizzle.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import type { Tables } from './schema.ts'

export type UpstreamRevocation = Tables['upstreamRevocations']['$inferSelect']

/** An account at a provider, whoever's here and under whatever name the provider is known here. */
export type UpstreamAccount = { issuer: string; upstreamSubject: string }

/** A live connection, as far as it tells what must not be revoked. */
export type RestingConnection = Pick<
  Connection,
  'id' | 'upstreamClientId' | 'sealedAccessToken' | 'sealedRefreshToken'
>

/** Tokens that nobody keeps: the provider they are of is added as it is now. */
export type DiscardedTokens = Omit<
  UpstreamRevocation,
  'document' | 'sealedClientSecret' | 'connectionId' | 'sealedAnswer' | 'attempts' | 'trouble'
>

/** Why tokens are to be revoked at their provider: the event that records what ended them here. */
export type RevocationCause = { event: NewAuditEvent; extent: 'token' | 'grant'; now: number }

/** Seconds until the next attempt: twice as many after each, up to an hour. */
const firstPause = 60
const longestPause = 3600

/**
 * What providers still have to be told: a row for the tokens of each connection that was ended here, written with
 * its end, and gone when the provider was told or the attempts were given up.
 */
export function upstreamRevocations(db: Queries, tables: Tables, batch: Batch) {
  const { upstreamRevocations: table, connections, providers } = tables
  return {
    async create(discarded: DiscardedTokens): Promise<void> {
      const { provider, upstreamClientId } = discarded
      const asItIs = isOf(tables, provider, upstreamClientId)
      await db
        .insert(table)
        .values({
          ...discarded,
          document: sql`${db.select({ document: providers.document }).from(providers).where(asItIs)}`,
          sealedClientSecret: sql`${db.select({ secret: providers.sealedClientSecret }).from(providers).where(asItIs)}`,
          attempts: 0,
        })
        .returning({ id: table.id })
    },

    /** Whether anything is due. */
    async isDue(now: number): Promise<boolean> {
      const [one] = await db.select({ id: table.id }).from(table).where(lte(table.nextAt, now)).limit(1)
      return one !== undefined
    },

    /**
     * Takes some of those that are due, or of one cause, each by one process at a time: what nobody finishes comes
     * up again later.
     */
    async take(which: { cause?: string }, limit: number, now: number): Promise<UpstreamRevocation[]> {
      const due = and(
        lte(table.nextAt, now),
        which.cause === undefined ? undefined : eq(table.cause, which.cause),
      )
      const some = db.select({ id: table.id }).from(table).where(due).orderBy(asc(table.nextAt)).limit(limit)
      const pause = sql`case when ${table.attempts} >= 6 then ${longestPause} else ${firstPause} * (1 << cast(${table.attempts} as integer)) end`
      return await db
        .update(table)
        .set({ attempts: sql`${table.attempts} + 1`, nextAt: sql`${wholeNumber(now)} + ${pause}` })
        // Said twice: between finding a row and locking it, PostgreSQL may see another process take it.
        .where(and(inArray(table.id, some), due))
        .returning()
    },

    /** Leaves it alone until then, where nobody else took it since. */
    async postpone(
      { id, attempts }: UpstreamRevocation,
      nextAt: number,
      trouble: RefreshTrouble,
    ): Promise<void> {
      await db
        .update(table)
        .set({ nextAt, trouble })
        .where(and(eq(table.id, id), eq(table.attempts, attempts)))
        .returning({ id: table.id })
    },

    /** Keeps what the provider answered, for whoever tries next; not where somebody else took it since. */
    async keepAnswer({ id, attempts }: UpstreamRevocation, sealedAnswer: string): Promise<void> {
      await db
        .update(table)
        .set({ sealedAnswer })
        .where(and(eq(table.id, id), eq(table.attempts, attempts)))
        .returning({ id: table.id })
    },

    /** It is over, and recorded where there is an event. `false`: somebody else said so first. */
    async finish({ id }: UpstreamRevocation, event: NewAuditEvent | undefined): Promise<boolean> {
      const finished = await batch((queries) => ({
        guard: queries.delete(table).where(eq(table.id, id)).returning({ id: table.id }),
        writes: event ? [recordEvent(queries, tables, event)] : [],
      }))
      return finished !== undefined
    },

    /** What providers have yet to be told. */
    async list(
      filter: Partial<Pick<UpstreamRevocation, 'subjectId' | 'provider'>>,
      page: PageRequest,
    ): Promise<Page<UpstreamRevocation>> {
      const rows = await db
        .select()
        .from(table)
        .where(
          and(
            filter.subjectId == null ? undefined : eq(table.subjectId, filter.subjectId),
            filter.provider === undefined ? undefined : eq(table.provider, filter.provider),
            page.cursor === undefined ? undefined : lt(table.id, page.cursor),
          ),
        )
        .orderBy(desc(table.id))
        .limit(page.limit + 1)
      return toPage(rows, page.limit, (row) => row.id)
    },

    /** The live connections to an account. */
    async listResting({ issuer, upstreamSubject }: UpstreamAccount): Promise<RestingConnection[]> {
      const { id, upstreamClientId, sealedAccessToken, sealedRefreshToken } = connections
      return await db
        .select({ id, upstreamClientId, sealedAccessToken, sealedRefreshToken })
        .from(connections)
        .where(
          and(
            eq(connections.issuer, issuer),
            eq(connections.upstreamSubject, upstreamSubject),
            eq(connections.status, 'live' satisfies Connection['status']),
          ),
        )
    },
  }
}

/**
 * A row for each connection whose tokens are about to go, among the writes of the batch that lets them: the tokens as
 * they are in that very moment, an answer with newer ones that nobody lived to read, and the provider, which may be
 * deleted or become another one next.
 */
export function queueRevocations(queries: Queries, tables: Tables, which: SQL, cause: RevocationCause) {
  const { connections, providers, refreshLeases } = tables
  const { event, extent, now } = cause
  // Whoever is at it throws away what comes of it. Nobody else sends that refresh token meanwhile.
  const isBeingRefreshed = sql`${refreshLeases.sentAt} is not null and ${refreshLeases.sealedAnswer} is null and ${refreshLeases.expiresAt} > ${wholeNumber(now)}`
  return queries
    .insert(tables.upstreamRevocations)
    .select(
      queries
        .select({
          id: sql<string>`${words(`${event.id}.`)} || ${connections.id}`.as('id'),
          cause: words(event.id).as('cause'),
          extent: sql<'token' | 'grant'>`${words(extent)}`.as('extent'),
          subjectId: connections.subjectId,
          provider: connections.provider,
          issuer: connections.issuer,
          upstreamSubject: connections.upstreamSubject,
          tokenEndpoint: connections.tokenEndpoint,
          upstreamClientId: connections.upstreamClientId,
          document: providers.document,
          sealedClientSecret: providers.sealedClientSecret,
          connectionId: sql<string>`${connections.id}`.as('connection_id'),
          sealedAccessToken: connections.sealedAccessToken,
          sealedRefreshToken: connections.sealedRefreshToken,
          sealedAnswer: refreshLeases.sealedAnswer,
          attempts: wholeNumber(0).as('attempts'),
          trouble: sql<null>`null`.as('trouble'),
          nextAt:
            sql<number>`case when ${isBeingRefreshed} then ${refreshLeases.expiresAt} else ${wholeNumber(now)} end`.as(
              'next_at',
            ),
          createdAt: wholeNumber(now).as('created_at'),
        })
        .from(connections)
        .leftJoin(providers, isOf(tables, connections.provider, connections.upstreamClientId))
        .leftJoin(
          refreshLeases,
          and(eq(refreshLeases.connectionId, connections.id), eq(refreshLeases.version, connections.version)),
        )
        .where(which),
    )
    .returning({ id: tables.upstreamRevocations.id })
}

/** The ids of the connections that were queued for one event, among the writes of the same batch. */
export function queuedConnections(
  queries: Queries,
  { upstreamRevocations: table }: Tables,
  event: NewAuditEvent,
) {
  return queries
    .select({ id: sql<string>`${table.connectionId}`.as('id') })
    .from(table)
    .where(eq(table.cause, event.id))
}

/** The secret of one client never speaks for another. */
function isOf({ providers }: Tables, provider: string | PgColumn, clientId: string | PgColumn) {
  return and(eq(providers.id, provider), eq(providers.clientId, clientId))
}

/** PostgreSQL has to be told what a value among selected columns is. */
const words = (text: string) => sql<string>`cast(${text} as text)`
const wholeNumber = (number: number) => sql<number>`cast(${number} as bigint)`
