import type { Queries } from './dialect.ts'
import { and, eq, gt, isNull, type SQL } from './drizzle.ts'
import type { Tables } from './schema.ts'

/** The condition that a grant has neither been revoked nor come to its end. */
export function isLive({ grants }: Tables, now: number | SQL<number>) {
  return and(isNull(grants.revokedAt), gt(grants.expiresAt, now))
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
