import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import { type ConnectedGrant, connected, connectedGrants } from './connected-grants.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, desc, eq, inArray, isNotNull, isNull, notInArray, sql } from './drizzle.ts'
import type { Grant } from './grants.ts'
import { isLive, withExchanged } from './live-grant.ts'
import { prepared, type Slots } from './prepared.ts'
import type { Tables } from './schema.ts'

/** Grants that one resource got for another by token exchange: each has a parent, and ends with it. */
export function exchangedGrants(db: Queries, tables: Tables, batch: Batch) {
  const { grants: table } = tables

  const ancestorsOf = prepared((queries, of: Slots<{ id: string }>) =>
    queries
      .select()
      .from(table)
      .where(
        sql`${table.id} in (with recursive above(id) as (
          select ${table.parentId} from ${table} where ${table.id} = ${of.id}
          union all
          select ${table.parentId} from ${table} inner join above on ${table.id} = above.id
        ) select id from above)`,
      ),
  )

  const givenThere = prepared(
    (queries, of: Slots<Pick<Grant, 'subjectId' | 'clientId' | 'resourceId'> & { now: number }>) =>
      connectedGrants(queries, tables)
        .where(
          and(
            eq(table.subjectId, of.subjectId),
            eq(table.clientId, of.clientId),
            sql`${table.resourceId} = ${of.resourceId}`,
            isNull(table.parentId),
            isNotNull(table.accessEndsAt),
            isLive(tables, of.now),
          ),
        )
        .orderBy(desc(table.id))
        .limit(1),
  )

  return {
    /** What a grant was exchanged from, and that in turn, up to what the person gave; the nearest first. */
    async listAncestors({ id, parentId }: Pick<Grant, 'id' | 'parentId'>): Promise<Grant[]> {
      const above = new Map((await ancestorsOf(db, { id })).map((grant) => [grant.id, grant]))
      const ordered: Grant[] = []
      let next = above.get(parentId ?? '')
      while (next) {
        ordered.push(next)
        next = above.get(next.parentId ?? '')
      }
      return ordered
    },

    /** The youngest live grant that the person themselves gave this client at this resource. */
    async findGiven(
      { subjectId, clientId, resourceId }: Pick<Grant, 'subjectId' | 'clientId' | 'resourceId'>,
      now: number,
    ): Promise<ConnectedGrant | undefined> {
      const [given] = await givenThere(db, { subjectId, clientId, resourceId, now })
      return given && connected(given)
    },

    /**
     * Writes a grant while the one it is exchanged from, the first of its ancestors, is live; `undefined` where that
     * has ended. All of them count as used then. Of what was exchanged from the same root no more than `keep` live on,
     * the longest idle end first; what people gave themselves is never among them.
     */
    async create(
      grant: Grant,
      ancestors: readonly [Grant, ...Grant[]],
      keep: number,
      now: number,
      event: NewAuditEvent,
    ): Promise<Grant | undefined> {
      const lineage = [grant, ...ancestors].map(({ id }) => id)
      const used = { lastUsedAt: now }
      const created = await batch((queries) => ({
        guard: queries
          .update(table)
          .set(used)
          .where(and(eq(table.id, ancestors[0].id), isLive(tables, now)))
          .returning({ id: table.id }),
        writes: [
          queries.insert(table).values(grant).returning({ id: table.id }),
          queries.update(table).set(used).where(inArray(table.id, lineage)).returning({ id: table.id }),
          endSurplus(queries, lineage, keep - ancestors.length, now),
          recordEvent(queries, tables, event),
        ],
      }))
      return created && grant
    },
  }

  /** Of what was exchanged from the root, the last of the lineage, so many live on beside the lineage itself. */
  function endSurplus(queries: Queries, lineage: readonly string[], beside: number, now: number) {
    const root = eq(table.id, lineage.at(-1) ?? '')
    const surplus = queries
      .select({ id: table.id })
      .from(table)
      .where(
        and(
          isLive(tables, now),
          inArray(table.id, withExchanged(tables, root, now)),
          notInArray(table.id, [...lineage]),
        ),
      )
      // Of those used in one second the older stay: more may have come from them.
      .orderBy(desc(table.lastUsedAt), asc(table.createdAt), asc(table.id))
      .limit(1000)
      .offset(Math.max(0, beside))
    const ended = withExchanged(tables, inArray(table.id, surplus), now)
    return queries
      .update(table)
      .set({ revokedAt: now, revokedReason: 'too_many_exchanged' })
      .where(and(isLive(tables, now), inArray(table.id, ended)))
      .returning({ id: table.id })
  }
}
