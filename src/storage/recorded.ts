import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries, Statement } from './dialect.ts'
import type { Tables } from './schema.ts'

/** Makes one change and writes its audit row with it: both are there, or neither. Answers the changed rows. */
export type Recorded = <Row>(
  event: NewAuditEvent,
  change: (queries: Queries) => Statement<Row>,
) => Promise<Row[]>

export function recordedIn(batch: Batch, tables: Tables): Recorded {
  return async (event, change) => {
    const written = await batch((queries) => ({
      guard: change(queries),
      writes: [recordEvent(queries, tables, event)],
    }))
    return written?.guard ?? []
  }
}
