/** One page of a list, oldest id last: `cursor` is the id the page before it ended with. */
export type PageRequest = { limit: number; cursor?: string }

export type Page<Row> = { rows: Row[]; nextCursor?: string }

/** Cuts the one row too many that a query for `limit + 1` rows brought, and says where to go on. */
export function toPage<Row>(rows: Row[], limit: number, idOf: (row: Row) => string): Page<Row> {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return rows.length > limit && last !== undefined ? { rows: page, nextCursor: idOf(last) } : { rows: page }
}
