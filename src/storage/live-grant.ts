import type { Queries } from './dialect.ts'
import { and, eq, gt, isNull, type SQL, sql } from './drizzle.ts'
import type { Tables } from './schema.ts'

/** The condition that a grant has neither been revoked nor come to its end. */
export function isLive({ grants }: Tables, now: number | SQL<number>) {
  return and(isNull(grants.revokedAt), gt(grants.expiresAt, now))
}

/**
 * The ids of grants and of the live ones that were exchanged from them, however often: what ends where those end.
 * `start` is a condition that says which.
 */
export function withExchanged(
  { grants }: Tables,
  start: SQL | undefined,
  now: number | SQL<number>,
): SQL<string> {
  return sql`(with recursive exchanged(id) as (
    select ${grants.id} from ${grants} where ${start}
    union all
    select ${grants.id} from ${grants} inner join exchanged on ${grants.parentId} = exchanged.id
    where ${grants.revokedAt} is null and ${grants.expiresAt} > ${now}
  ) select id from exchanged)`
}

/** The id of a grant as a subquery, empty where it has ended: what its codes and tokens hang on. */
export function liveGrant(
  queries: Queries,
  tables: Tables,
  id: string | SQL<string>,
  now: number | SQL<number>,
) {
  const { grants } = tables
  return queries
    .select({ id: grants.id })
    .from(grants)
    .where(and(eq(grants.id, id), isLive(tables, now)))
}
