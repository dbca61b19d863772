import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Place } from '../lib/seal.ts'
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
