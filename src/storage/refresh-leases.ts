import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Connection } from './connections.ts'
import { type Batch, locking, type Queries } from './dialect.ts'
import type { RefreshTrouble } from './documents.ts'
import { and, eq, gt, isNull, lte, or, sql } from './drizzle.ts'
import { isTaken } from './query-errors.ts'
import type { Tables } from './schema.ts'

export type RefreshLease = Tables['refreshLeases']['$inferSelect']

/** What says which lease it is. */
export type HeldLease = Pick<RefreshLease, 'connectionId' | 'fence' | 'holder'>

/** What whoever takes a lease is about to do, known to everybody before it is done. */
export type RefreshIntent = Pick<RefreshLease, 'version' | 'sentAt' | 'attempts'> & {
  holder: string
  expiresAt: number
}

/** Until when a connection's provider is left alone, and why. */
export type RefreshRest = { until: number; trouble: RefreshTrouble }

/** What somebody else may have sent before, and nobody knows what came of: it is known no better after a failure. */
export type Unknown = Pick<RefreshLease, 'sentAt' | 'attempts'>

/** What a lease is given back with; `version` is what the connection has from then on, where that is another. */
export type RefreshEnd = {
  rest?: RefreshRest | undefined
  unknown?: Unknown | undefined
  version?: number
}

/**
 * Short exclusive rights to refresh one connection, across every process on this database. Each taking has a
 * higher fence than the one before, and nothing is written by whoever has been overtaken.
 */
export function refreshLeases(db: Queries, tables: Tables, batch: Batch) {
  const { refreshLeases: table, connections } = tables

  /** Nobody may delete the connection before its first lease is written: the guard holds it. */
  async function create(
    first: RefreshLease,
    event: NewAuditEvent | undefined,
  ): Promise<RefreshLease | undefined> {
    try {
      const created = await batch((queries) => ({
        guard: queries
          .update(connections)
          .set({ version: first.version })
          .where(and(eq(connections.id, first.connectionId), eq(connections.version, first.version)))
          .returning({ id: connections.id }),
        writes: [queries.insert(table).values(first).returning(), ...recorded(queries, event)],
      }))
      return created?.rows[0][0]
    } catch (error) {
      if (isTaken(error)) return undefined
      throw error
    }
  }

  const recorded = (queries: Queries, event: NewAuditEvent | undefined) =>
    event ? [recordEvent(queries, tables, event)] : []

  return {
    async find(connectionId: string): Promise<RefreshLease | undefined> {
      const [lease] = await db.select().from(table).where(eq(table.connectionId, connectionId))
      return lease
    },

    /**
     * Takes the lease exactly as it was `seen`, where nobody else has it. An answer that waits to be read is kept
     * while the version is the same. The record says so with it, where there is an event. `undefined`: somebody else
     * was faster, were it by writing down what they got.
     */
    async take(
      connectionId: string,
      seen: RefreshLease | undefined,
      { event, ...intent }: RefreshIntent & { event?: NewAuditEvent | undefined },
      now: number,
    ): Promise<RefreshLease | undefined> {
      const isSameVersion = seen?.version === intent.version
      const taken = {
        ...intent,
        fence: (seen?.fence ?? 0) + 1,
        sealedAnswer: isSameVersion ? seen.sealedAnswer : null,
        answeredAt: isSameVersion ? seen.answeredAt : null,
        restUntil: null,
        restReason: null,
      }
      if (!seen) return await create({ connectionId, ...taken, boughtVersion: null }, event)
      const isFree = or(lte(table.expiresAt, now), eq(table.holder, intent.holder))
      const written = await batch((queries) => ({
        guard: queries
          .update(table)
          .set(taken)
          .where(and(isStill(tables, seen), isFree))
          .returning(),
        writes: recorded(queries, event),
      }))
      return written?.guard[0]
    },

    /** Keeps what the provider answered, to be read by whoever comes to it. `false`: somebody took the lease since. */
    async keepAnswer(lease: RefreshLease, sealedAnswer: string, now: number): Promise<boolean> {
      const kept = await db
        .update(table)
        .set({ sealedAnswer, answeredAt: now })
        .where(isHeldBy(tables, lease))
        .returning({ fence: table.fence })
      return kept.length > 0
    },

    /** Holds it until then, and says why that takes so long. Nothing, where it was given back or taken since. */
    async renew(lease: RefreshLease, rest: RefreshRest): Promise<void> {
      await db
        .update(table)
        .set({ expiresAt: rest.until, restUntil: rest.until, restReason: rest.trouble })
        .where(and(isHeldBy(tables, lease), gt(table.expiresAt, 0)))
        .returning({ fence: table.fence })
    },

    /** Gives it back: what was sent has an outcome, and it is not new tokens. */
    async release(lease: HeldLease, end: RefreshEnd = {}): Promise<void> {
      await releaseLease(db, tables, lease, end)
    },

    /**
     * The same, with what came of it on record, whether it was still held or not: it came of it all the same. Once,
     * however often it is told.
     */
    async conclude(lease: HeldLease, end: RefreshEnd, event: NewAuditEvent): Promise<void> {
      try {
        await batch((queries) => ({
          guard: recordEvent(queries, tables, event),
          writes: [releaseLease(queries, tables, lease, end)],
        }))
      } catch (error) {
        if (!isTaken(error)) throw error
      }
    },

    /** A rejection bought the tokens it has now, and buys none in their place, whichever process hears of it. */
    async noteBought({ id, version }: Pick<Connection, 'id' | 'version'>): Promise<void> {
      await db
        .update(table)
        .set({ boughtVersion: version })
        .where(eq(table.connectionId, id))
        .returning({ fence: table.fence })
    },

    /** Gives it back with the answer still unread. */
    async postpone(lease: RefreshLease, rest: RefreshRest): Promise<void> {
      await db
        .update(table)
        .set({ expiresAt: 0, restUntil: rest.until, restReason: rest.trouble })
        .where(isHeldBy(tables, lease))
        .returning({ fence: table.fence })
    },
  }
}

/** The condition that nobody took it since. A lease on a connection that was deleted and made again counts anew. */
function isHeldBy({ refreshLeases: table }: Tables, { connectionId, fence, holder }: HeldLease) {
  return and(eq(table.connectionId, connectionId), eq(table.fence, fence), eq(table.holder, holder))
}

/** The condition that its holder has neither given it back since nor kept an answer. */
function isStill(tables: Tables, lease: RefreshLease) {
  const { expiresAt, answeredAt } = tables.refreshLeases
  return and(
    isHeldBy(tables, lease),
    eq(expiresAt, lease.expiresAt),
    lease.answeredAt === null ? isNull(answeredAt) : eq(answeredAt, lease.answeredAt),
  )
}

/** Among the writes of a batch, too. */
export function releaseLease(
  queries: Queries,
  tables: Tables,
  lease: HeldLease,
  { rest, unknown, version }: RefreshEnd = {},
) {
  const { refreshLeases: table } = tables
  return queries
    .update(table)
    .set({
      expiresAt: 0,
      sentAt: unknown?.sentAt ?? null,
      attempts: unknown?.attempts ?? 0,
      sealedAnswer: null,
      answeredAt: null,
      restUntil: rest?.until ?? null,
      restReason: rest?.trouble ?? null,
      ...(version !== undefined && { version }),
    })
    .where(isHeldBy(tables, lease))
    .returning({ fence: table.fence })
}

/** The id of its connection as a subquery, empty where somebody took the lease since. Until the batch ends nobody can. */
export function heldConnection(queries: Queries, tables: Tables, lease: RefreshLease) {
  const { refreshLeases: table } = tables
  return locking(
    queries
      .select({ id: sql<string>`${table.connectionId}`.as('id') })
      .from(table)
      .where(isHeldBy(tables, lease)),
  )
}
