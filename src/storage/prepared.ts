import type { PgTable } from 'drizzle-orm/pg-core'
import type { Queries, Statement } from './dialect.ts'
import { fillPlaceholders, getTableColumns, is, Param, Placeholder, type SQL, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

/**
 * Where the values of a prepared statement go. A slot stands wherever a value could: in a condition, in `set`,
 * in `values`; but not in a condition on a boolean or JSON column, which needs the value itself.
 */
export type Slots<Values> = { readonly [Name in keyof Values]: SQL<Values[Name]> }

/** What drizzle makes of a statement, and in part does not declare. */
type Built = {
  execute(values: object): Promise<unknown>
  getQuery(): { sql: string; params: unknown[] }
  mapResult(result: unknown, isFromBatch: boolean): unknown
}

/**
 * A statement drizzle builds once, for the ways that are walked on every request: building one costs several
 * times what SQLite needs to run it. The answer takes the handle, the database's or a batch's, and the values.
 *
 *     const findCode = prepared((db, of: Slots<{ hash: string }>) =>
 *       db.select().from(codes).where(eq(codes.codeHash, of.hash)))
 *     const [code] = await findCode(db, { hash })
 */
export function prepared<Row, Values extends object>(
  build: (db: Queries, slots: Slots<Values>) => Statement<Row> & { prepare(name: string): object },
): (db: Queries, values: Values) => Statement<Row> {
  const perHandle = new WeakMap<Queries, Built>()
  return (db, values) => {
    const known = perHandle.get(db)
    const built = known ?? keepNulls(build(db, slots as Slots<Values>).prepare('') as Built)
    if (!known) perHandle.set(db, built)
    return bind(db, built, values) as Statement<Row>
  }
}

/** A slot for every column of a table: what `values` takes to insert rows with `slots` of the same names. */
export function inColumns<Table extends PgTable>(
  table: Table,
  slots: Slots<Table['$inferSelect']>,
): Slots<Table['$inferSelect']> {
  const names = Object.keys(getTableColumns(table)) as (keyof Table['$inferSelect'])[]
  return Object.fromEntries(names.map((name) => [name, slots[name]])) as Slots<Table['$inferSelect']>
}

/** What is built of a database's tables, once for each: for statements that several repositories share. */
export function perTables<Built>(build: (tables: Tables) => Built): (tables: Tables) => Built {
  const known = new WeakMap<Tables, { built: Built }>()
  return (tables) => {
    const { built } = known.get(tables) ?? { built: build(tables) }
    if (!known.has(tables)) known.set(tables, { built })
    return built
  }
}

const slots = new Proxy({}, { get: (_, name: string) => sql.placeholder(name) })

/** The statement with its values: run when it is awaited, or by the batch it is given to. */
function bind(db: Queries, built: Built, values: object): object {
  const { session } = db as unknown as { session: unknown }
  return {
    session,
    // biome-ignore lint/suspicious/noThenProperty: like every statement of drizzle's, it runs when it is awaited.
    then: (...handlers: [never]) => built.execute(values).then(...handlers),
    _prepare: () => ({
      getQuery: () => {
        const query = built.getQuery()
        return { ...query, params: fillPlaceholders(query.params, values as Record<string, unknown>) }
      },
      mapResult: (result: unknown, isFromBatch: boolean) => built.mapResult(result, isFromBatch),
    }),
  }
}

/** drizzle leaves a null as it is, except in a slot: there a JSON column would make it the text `null`. */
function keepNulls(built: Built): Built {
  for (const param of built.getQuery().params) {
    if (!is(param, Param) || !is(param.value, Placeholder)) continue
    const { encoder } = param
    Object.assign(param, {
      encoder: {
        mapToDriverValue: (value: unknown) => (value === null ? null : encoder.mapToDriverValue(value)),
      },
    })
  }
  return built
}
