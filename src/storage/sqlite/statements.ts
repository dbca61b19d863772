import type { Database as Connection, Statement } from 'better-sqlite3'

/** One statement as drizzle builds it. */
export type Query = { readonly sql: string; readonly params: readonly unknown[] }

/** Rows as drizzle's proxy driver wants them: values in the order of the columns. */
export type Rows = unknown[][]

/** More than the gateway has statements; a list of varying length in one of them cannot fill the memory. */
const cacheLimit = 500

/** Prepares every distinct statement once. */
export function statementCache(connection: Connection): (sql: string) => Statement<unknown[]> {
  const cache = new Map<string, Statement<unknown[]>>()
  return (sql) => {
    const known = cache.get(sql)
    if (known) return known
    const statement = connection.prepare<unknown[]>(plannedOnce(sql))
    if (statement.reader) statement.raw(true)
    const [oldest] = cache.keys()
    if (cache.size >= cacheLimit && oldest !== undefined) cache.delete(oldest)
    cache.set(sql, statement)
    return statement
  }
}

/**
 * SQLite with STAT4, as ours is built, plans a join anew whenever a value that its condition names is bound anew
 * (`sqlite3_prepare_v3`), which costs ten times the join. Behind a `+`, which changes nothing, it does not look at it.
 */
function plannedOnce(sql: string): string {
  return sql.replaceAll(' = ?', ' = +?')
}

/** Runs a statement; one that answers no rows answers an empty list. */
export function rowsOf(statement: Statement<unknown[]>, params: readonly unknown[]): Rows {
  if (statement.reader) return statement.all(...params) as Rows
  statement.run(...params)
  return []
}
