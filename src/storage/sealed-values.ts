import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import { keyIdAt, keyIdCharacters, type Place } from '../lib/seal.ts'
import type { Queries } from './dialect.ts'
import { and, asc, eq, getTableColumns, getTableName, gt, type SQL, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

/** A column whose values master keys wrap. */
export type SealedColumn = {
  /** As the database names them. */
  readonly table: string
  readonly column: string
  readonly key: PgColumn
  readonly sealed: PgColumn
  /** Whose value it was before: it is still sealed for that place. */
  readonly lender: { readonly key: PgColumn; readonly column: PgColumn } | undefined
}

/** `sealed` is empty where there is none. */
export type SealedRow = { id: string; sealed: string | null; lender: string | null }

/** Some rows whose values begin alike, up to the end of the key id; `beginning` is empty where there is no value. */
export type Tally = { beginning: string | null; rows: number; stale: number; last: string }

/**
 * Every column that master keys wrap, and no other: a test compares them with the schema. The successors of refresh
 * tokens are sealed under keys that only the tokens give, and the checks of master keys belong to one key each.
 */
export function sealedColumns(tables: Tables): SealedColumn[] {
  const { connections, refreshLeases, providers, upstreamRevocations, interactions, signingKeys, auditKeys } =
    tables
  const revocations = upstreamRevocations
  const ofConnection = (column: PgColumn) => ({ key: revocations.connectionId, column })
  return [
    sealedIn(connections.id, connections.sealedAccessToken),
    sealedIn(connections.id, connections.sealedRefreshToken),
    sealedIn(refreshLeases.connectionId, refreshLeases.sealedAnswer),
    sealedIn(providers.id, providers.sealedClientSecret),
    sealedIn(revocations.id, revocations.sealedAccessToken, ofConnection(connections.sealedAccessToken)),
    sealedIn(revocations.id, revocations.sealedRefreshToken, ofConnection(connections.sealedRefreshToken)),
    sealedIn(revocations.id, revocations.sealedAnswer, ofConnection(refreshLeases.sealedAnswer)),
    sealedIn(revocations.id, revocations.sealedClientSecret, {
      key: revocations.provider,
      column: providers.sealedClientSecret,
    }),
    sealedIn(interactions.id, interactions.sealedLegSecrets),
    sealedIn(signingKeys.kid, signingKeys.sealedPrivateJwk),
    sealedIn(auditKeys.id, auditKeys.sealedKey),
  ]
}

function sealedIn(key: PgColumn, sealed: PgColumn, lender?: SealedColumn['lender']): SealedColumn {
  return { table: getTableName(sealed.table), column: sealed.name, key, sealed, lender }
}

/** What a value of this row was sealed for. */
export function placeOf({ table, column, lender }: SealedColumn, row: SealedRow): Place {
  if (!lender || row.lender === null) return { table, row: row.id, column }
  return { table: getTableName(lender.column.table), row: row.lender, column: lender.column.name }
}

/** The version, the key id, and the dot after it. Neither database has the other's way to find that. */
function beginningOf(sealed: SQL.Aliased<string | null>): SQL<string | null> {
  const rest = sql`ltrim(substr(${sealed}, ${keyIdAt}), ${keyIdCharacters})`
  return sql<string | null>`substr(${sealed}, 1, length(${sealed}) - length(${rest}) + 1)`
}

/** Sealed values as such, whatever they hold. */
export function sealedValues(db: Queries, tables: Tables) {
  return {
    columns: sealedColumns(tables),

    /** The rows after `after`, in the order of their keys; fewer than `limit` only at the end. */
    async page(column: SealedColumn, after: string, limit: number): Promise<SealedRow[]> {
      const { key, sealed, lender } = column
      const rows = await db
        .select({ id: key, sealed, lender: lender ? lender.key : (sql`null` as SQL<null>) })
        .from(sealed.table as PgTable)
        .where(gt(key, after))
        .orderBy(asc(key))
        .limit(limit)
      return rows as SealedRow[]
    },

    /**
     * How many of the rows that `page` would answer begin with which key id, and are `stale`: do not begin with
     * `prefix`. The database counts, since a million values take long to come here.
     */
    async tally(
      { key, sealed }: SealedColumn,
      after: string,
      limit: number,
      prefix: string,
    ): Promise<Tally[]> {
      const some = db
        .select({ id: sql<string>`${key}`.as('id'), sealed: sql<string | null>`${sealed}`.as('sealed') })
        .from(sealed.table as PgTable)
        .where(gt(key, after))
        .orderBy(asc(key))
        .limit(limit)
        .as('some')
      const isStale = sql`substr(${some.sealed}, 1, ${prefix.length}) <> ${prefix}`
      return await db
        .select({
          beginning: beginningOf(some.sealed),
          rows: sql`count(*)`.mapWith(Number),
          stale: sql`sum(case when ${isStale} then 1 else 0 end)`.mapWith(Number),
          last: sql<string>`max(${some.id})`,
        })
        .from(some)
        .groupBy(sql`1`)
    },

    /** Puts one sealed value in the place of another; `false`: somebody else did so first, or the row is gone. */
    async replace(column: SealedColumn, { id, sealed }: SealedRow, by: string): Promise<boolean> {
      const table = column.sealed.table as PgTable
      const [name = ''] =
        Object.entries(getTableColumns(table)).find(([, each]) => each === column.sealed) ?? []
      const replaced = await db
        .update(table)
        .set({ [name]: by })
        .where(and(eq(column.key, id), eq(column.sealed, sealed)))
        .returning({ id: column.key })
      return replaced.length === 1
    },
  }
}

export type SealedValues = ReturnType<typeof sealedValues>
