import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { forPostgres, forSqlite as lite } from './drizzle.ts'

const { bigint, boolean, customType, index, json, pgTable, primaryKey, uniqueIndex } = forPostgres

/** Compares by bytes, as SQLite does: in a database's own collation a page of ids would be another page. */
const text = customType<{ data: string }>({ dataType: () => 'text collate "C"' })

/**
 * The column vocabulary both databases share: text, integer, boolean, json; nothing else. Times are epoch
 * seconds, so an integer is 64 bits wide. Typed by the PostgreSQL side, whose builders have no synchronous
 * `.get()/.all()/.run()`: every query must be awaited.
 */
export const postgres = {
  table: pgTable,
  text: (name: string) => text(name),
  integer: (name: string) => bigint(name, { mode: 'number' }),
  boolean: (name: string) => boolean(name),
  // Not `jsonb`, which forgets in which order members stand; that of a resource's scopes is said to people and clients.
  json: <T>(name: string) => json(name).$type<T>(),
  primaryKey,
  index,
  uniqueIndex,
}

export type Dialect = typeof postgres

export const sqlite = {
  table: lite.sqliteTable,
  text: (name: string) => lite.text(name),
  integer: (name: string) => lite.integer(name),
  boolean: (name: string) => lite.integer(name, { mode: 'boolean' }),
  json: (name: string) => lite.text(name, { mode: 'json' }),
  primaryKey: lite.primaryKey,
  index: lite.index,
  uniqueIndex: lite.uniqueIndex,
} as unknown as Dialect

/** What a repository may do with a database. There is no `transaction`: better-sqlite3 refuses async ones. */
export type Queries = Pick<PgDatabase<PgQueryResultHKT>, 'select' | 'insert' | 'update' | 'delete'>

/** A query that answers rows: every select, and every write that ends in `.returning()`. */
export type Statement<Row = unknown> = PromiseLike<Row[]>

/** The rows of each statement of a tuple, in its order. */
export type RowsOf<Statements extends readonly Statement[]> = {
  -readonly [Index in keyof Statements]: Awaited<Statements[Index]>
}

/**
 * Runs a guard and the writes that depend on it as one: the guard is a conditional write that must return a
 * row, otherwise nothing of the batch is written and the answer is `undefined`. Otherwise the rows of the
 * guard and of every write come back, and all of it is durable. All statements are built from the handle that
 * is passed in, and none may be awaited inside. A `lock` writes nothing new into the rows that it names: whoever else
 * locks them is done, and seen, before the guard looks at others. SQLite has one writer at a time, and skips it.
 */
export type Batch = <Guard, const Writes extends readonly Statement[]>(
  build: (db: Queries) => { lock?: Statement; guard: Statement<Guard>; writes: Writes },
) => Promise<{ guard: [Guard, ...Guard[]]; rows: RowsOf<Writes> } | undefined>

/**
 * A look at rows among a batch's conditions that lets nobody change them before the batch ends. PostgreSQL would go
 * by what they were when the statement began; SQLite has one writer at a time, and no words for it.
 */
export function locking<Look extends { for(strength: 'update'): unknown }>(look: Look): Look {
  return 'for' in look ? (look.for('update') as Look) : look
}
