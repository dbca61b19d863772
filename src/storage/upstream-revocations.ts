import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Connection } from './connections.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, eq, inArray, lte, type SQL, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type UpstreamRevocation = Tables['upstreamRevocations']['$inferSelect']

/** Whose grant: at which provider, which account, and for a grant of one client alone which client. */
export type UpstreamAccount = { issuer: string; upstreamSubject: string; upstreamClientId?: string }

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
  const { upstreamRevocations: table, connections } = tables
  return {
    async create(revocation: UpstreamRevocation): Promise<void> {
      await db.insert(table).values(revocation).returning({ id: table.id })
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
    async postpone({ id, attempts }: UpstreamRevocation, nextAt: number): Promise<void> {
      await db
        .update(table)
        .set({ nextAt })
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

    /** All that providers have yet to be told, the oldest first. */
    async list(): Promise<UpstreamRevocation[]> {
      return await db.select().from(table).orderBy(asc(table.createdAt), asc(table.id))
    },

    /** Whether a live connection rests on what a provider keeps of an account. */
    async isNeeded({ issuer, upstreamSubject, upstreamClientId }: UpstreamAccount): Promise<boolean> {
      const [connection] = await db
        .select({ id: connections.id })
        .from(connections)
        .where(
          and(
            eq(connections.issuer, issuer),
            eq(connections.upstreamSubject, upstreamSubject),
            eq(connections.status, 'live' satisfies Connection['status']),
            upstreamClientId === undefined ? undefined : eq(connections.upstreamClientId, upstreamClientId),
          ),
        )
        .limit(1)
      return connection !== undefined
    },
  }
}

/**
 * A row for each connection that is about to be deleted, among the writes of the batch that deletes it: the tokens
 * as they are in that very moment, and the provider, which may be deleted next.
 */
export function queueRevocations(queries: Queries, tables: Tables, which: SQL, cause: RevocationCause) {
  const { connections, providers } = tables
  const { event, extent, now } = cause
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
          attempts: wholeNumber(0).as('attempts'),
          nextAt: wholeNumber(now).as('next_at'),
          createdAt: wholeNumber(now).as('created_at'),
        })
        .from(connections)
        .leftJoin(
          providers,
          and(
            eq(providers.id, connections.provider),
            // The secret of one client never speaks for another.
            eq(providers.clientId, connections.upstreamClientId),
          ),
        )
        .where(which),
    )
    .returning({ id: tables.upstreamRevocations.id })
}

/** PostgreSQL has to be told what a value among selected columns is. */
const words = (text: string) => sql<string>`cast(${text} as text)`
const wholeNumber = (number: number) => sql<number>`cast(${number} as bigint)`
