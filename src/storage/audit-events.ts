import { placeOf } from './audit-links.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, desc, eq, gt, gte, lt } from './drizzle.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { inColumns, perTables, prepared, type Slots } from './prepared.ts'
import type { Tables } from './schema.ts'

export type AuditEvent = Tables['auditEvents']['$inferSelect']
/** An event before it has its place in a chain, which it is given when it is written. */
export type NewAuditEvent = Omit<Tables['auditEvents']['$inferInsert'], 'chain' | 'seq' | 'mac'>
export type AuditFilter = Partial<
  Pick<
    AuditEvent,
    'event' | 'actor' | 'outcome' | 'subjectId' | 'clientId' | 'resourceId' | 'provider' | 'tsidHash'
  >
>

export type AuditPeriod = { since?: number | undefined; until?: number | undefined }

const insertEvent = perTables(({ auditEvents: table }) =>
  prepared((queries, of: Slots<AuditEvent>) =>
    queries.insert(table).values(inColumns(table, of)).returning({ id: table.id }),
  ),
)

/**
 * The row of an event as a statement, to be written in one batch with the change it records. Its place in a chain is
 * found when it is carried out, since only then is it known what was written before it.
 */
export function recordEvent(queries: Queries, tables: Tables, event: NewAuditEvent) {
  const { subjectId = null, clientId = null, resourceId = null, provider = null, tsidHash = null } = event
  const row = { ...event, subjectId, clientId, resourceId, provider, tsidHash }
  return insertEvent(tables)(queries, { ...row, ...placeOf(event) })
}

/** The record of what happened. Rows are only ever added. */
export function auditEvents(db: Queries, tables: Tables, batch: Batch) {
  const { auditEvents: table } = tables
  return {
    async create(event: NewAuditEvent): Promise<void> {
      await batch((queries) => ({ guard: recordEvent(queries, tables, event), writes: [] }))
    },

    /** The youngest first; `since` is in the period, `until` is not. */
    async list(asked: AuditFilter & AuditPeriod, page: PageRequest): Promise<Page<AuditEvent>> {
      const before = page.cursor === undefined ? undefined : lt(table.id, page.cursor)
      const rows = await db
        .select()
        .from(table)
        .where(and(isAsked(asked), before))
        .orderBy(desc(table.id))
        .limit(page.limit + 1)
      return toPage(rows, page.limit, (row) => row.id)
    },

    /** The oldest first, after one of them. */
    async listOldest(asked: AuditFilter & AuditPeriod, page: PageRequest): Promise<AuditEvent[]> {
      const after = page.cursor === undefined ? undefined : gt(table.id, page.cursor)
      return await db
        .select()
        .from(table)
        .where(and(isAsked(asked), after))
        .orderBy(asc(table.id))
        .limit(page.limit)
    },
  }

  function isAsked({ since, until, ...filter }: AuditFilter & AuditPeriod) {
    const wanted = Object.entries(filter).flatMap(([column, value]) =>
      value === undefined || value === null ? [] : [eq(table[column as keyof AuditFilter], value)],
    )
    return and(
      ...wanted,
      since === undefined ? undefined : gte(table.at, since),
      until === undefined ? undefined : lt(table.at, until),
    )
  }
}
