import type { Connection } from './connections.ts'
import type { Queries } from './dialect.ts'
import { and, eq, exists, gt, isNotNull, isNull, lte, or, type SQL, sql } from './drizzle.ts'
import { isLive } from './live-grant.ts'
import type { PageRequest } from './page.ts'
import type { Tables } from './schema.ts'

/** How long a provider lets refresh tokens live, in seconds where it says so. */
export type RefreshLife = {
  /** Without use. */
  idleLifetime?: number | undefined
  /** From when the person connected. */
  absoluteLifetime?: number | undefined
  /** What a refresh does to the end that the provider told with a refresh token. */
  toldEnd: 'moves' | 'stays'
}

/** Connections that have not ended at `after`, and will at `before`, whatever is done. */
export type EndsWithin = { after: number; before: number; lives: ReadonlyMap<string, RefreshLife> }

/** Which connections end by themselves, and which have to be touched so that they do not. */
export function connectionEnds(db: Queries, tables: Tables) {
  const { connections: table } = tables
  return {
    /**
     * Of a provider's connections that a live token session may draw on, those of whose time without use three
     * fifths are over, by id. Only what was made through this upstream client, which alone can refresh it.
     */
    async listIdle(
      { provider, clientId, life }: { provider: string; clientId: string; life: RefreshLife },
      now: number,
      { limit, cursor }: PageRequest,
    ): Promise<Pick<Connection, 'id'>[]> {
      const end = idleEnd(tables, life)
      if (!end) return []
      return await db
        .select({ id: table.id })
        .from(table)
        .where(
          and(
            isRefreshable(tables),
            eq(table.provider, provider),
            eq(table.upstreamClientId, clientId),
            cursor === undefined ? undefined : gt(table.id, cursor),
            lte(sql`3 * ${end} + 2 * ${table.refreshedAt}`, 5 * now),
            exists(wantingSession(db, tables, now)),
          ),
        )
        .orderBy(table.id)
        .limit(limit)
    },

    /**
     * Those that a live token session may draw on, and whose refresh token was sent by somebody who neither said what
     * came of it nor is still at it, and which can be refreshed now: one whose provider is disabled, or another
     * upstream client by now, or left alone for a while, is in nobody's way. The oldest first.
     */
    async listInterrupted(now: number, limit: number): Promise<Pick<Connection, 'id'>[]> {
      const { refreshLeases: leases, providers } = tables
      const isNobodys = and(
        lte(leases.expiresAt, now),
        or(isNull(leases.restUntil), lte(leases.restUntil, now)),
      )
      // Of leases there are few and of connections many: SQLite goes through what is crossed in this order and no other.
      return await db
        .select({ id: table.id })
        .from(leases)
        .crossJoin(table)
        .crossJoin(providers)
        .where(
          and(
            isNotNull(leases.sentAt),
            isNobodys,
            eq(table.id, leases.connectionId),
            eq(table.version, leases.version),
            isRefreshable(tables),
            eq(providers.id, table.provider),
            eq(providers.clientId, table.upstreamClientId),
            eq(providers.enabled, true),
            exists(wantingSession(db, tables, now)),
          ),
        )
        .orderBy(leases.sentAt)
        .limit(limit)
    },

    /** How many connections of each provider end within that time. */
    async countEnding(within: EndsWithin): Promise<{ provider: string; count: number }[]> {
      const counts = new Map<string, number>()
      const conditions = [...refreshableEnding(tables, within), notRefreshableEnding(tables, within)]
      for (const condition of conditions) {
        const rows = await db
          .select({ provider: table.provider, count: sql<number>`count(*)` })
          .from(table)
          .where(condition)
          .groupBy(table.provider)
        for (const { provider, count } of rows) {
          counts.set(provider, (counts.get(provider) ?? 0) + Number(count))
        }
      }
      return [...counts].sort().map(([provider, count]) => ({ provider, count }))
    },
  }
}

/** The condition that a connection ends within that time, whatever is done. */
export function isEnding(tables: Tables, within: EndsWithin): SQL | undefined {
  return or(...refreshableEnding(tables, within), notRefreshableEnding(tables, within))
}

const isRefreshable = ({ connections: table }: Tables) =>
  and(eq(table.status, 'live'), isNotNull(table.sealedRefreshToken))

// Written as its index is, word by word: a parameter in it would hide that the index answers this.
const isNotRefreshable = ({ connections: { status, sealedRefreshToken } }: Tables) =>
  sql`${status} = 'live' and ${sealedRefreshToken} is null`

/** Absent where nothing is known of an end that a use could put off. */
function idleEnd({ connections: table }: Tables, { idleLifetime, toldEnd }: RefreshLife): SQL | undefined {
  const assumed = idleLifetime === undefined ? undefined : sql`${table.refreshedAt} + ${idleLifetime}`
  if (toldEnd === 'stays') return assumed && sql`(${assumed})`
  return sql`coalesce(${table.refreshExpiresAt}, ${assumed ?? sql`null`})`
}

/** One for each provider of whose refresh tokens an end is known that no refresh puts off. */
function refreshableEnding(tables: Tables, { after, before, lives }: EndsWithin): (SQL | undefined)[] {
  const { connections: table } = tables
  return [...lives].flatMap(([provider, { absoluteLifetime, toldEnd }]) => {
    const ends = [
      ...(absoluteLifetime === undefined ? [] : [sql`${table.authorizedAt} + ${absoluteLifetime}`]),
      ...(toldEnd === 'stays' ? [sql`coalesce(${table.refreshExpiresAt}, ${never})`] : []),
    ]
    if (ends.length === 0) return []
    return and(
      isRefreshable(tables),
      eq(table.provider, provider),
      ...ends.map((end) => gt(end, after)),
      or(...ends.map((end) => lte(end, before))),
    )
  })
}

function notRefreshableEnding(tables: Tables, { after, before }: EndsWithin): SQL | undefined {
  const { accessExpiresAt } = tables.connections
  return and(isNotRefreshable(tables), gt(accessExpiresAt, after), lte(accessExpiresAt, before))
}

const never = Number.MAX_SAFE_INTEGER

/** Of the connection at hand: a live session of somebody, through a client and at a resource that all stand. */
function wantingSession(db: Queries, tables: Tables, now: number) {
  const { connections, grantConnections, grants, subjects, clients, resources } = tables
  return db
    .select({ id: grants.id })
    .from(grantConnections)
    .innerJoin(grants, eq(grants.id, grantConnections.grantId))
    .innerJoin(subjects, and(eq(subjects.id, grants.subjectId), eq(subjects.enabled, true)))
    .innerJoin(clients, and(eq(clients.id, grants.clientId), eq(clients.enabled, true)))
    .innerJoin(resources, and(eq(resources.id, grants.resourceId), eq(resources.enabled, true)))
    .where(and(eq(grantConnections.connectionId, connections.id), isLive(tables, now)))
}
