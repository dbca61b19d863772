import type { PoolClient, QueryConfig } from 'pg'
import { type NewAuditEvent, recordEvent } from '../audit-events.ts'
import { type Chains, eventIn, type Links, withLink } from '../audit-links.ts'
import type { Batch, Queries } from '../dialect.ts'
import { overPostgres } from '../drizzle.ts'
import { checkHandle, isPlaceTaken, unwrapErrors } from '../query-errors.ts'
import { connectionAfter } from './faults.ts'
import { tables } from './tables.ts'
import { type Line, type Progress, type RunUnit, transact } from './units.ts'

const { drizzle } = overPostgres()

type Build = Parameters<Batch>[0]

/** Runs a batch in a transaction of its own, on a connection of its own. */
export function batchOn(runUnit: RunUnit, begin: string, chains: Pick<Chains, 'transaction'>): Batch {
  const handles = new WeakMap<PoolClient, Handle>()
  const handleOf = ({ connection }: Line) => {
    const known = handles.get(connection) ?? openHandle()
    handles.set(connection, known)
    return known
  }
  const batch = (build: Build) =>
    runUnit((line, progress) =>
      runOnce({ begin, line, handle: handleOf(line), links: chains.transaction() }, build, progress),
    )
  return batch as Batch
}

type Transaction = { begin: string; line: Line; handle: Handle; links: Links }

async function runOnce({ begin, line, handle, links }: Transaction, build: Build, progress: Progress) {
  try {
    const outcome = await transact(begin, line, progress, () =>
      handle.use({ line, links }, () => runStatements(handle, build)),
    )
    if (!outcome) links.undo(undefined)
    links.settle()
    return outcome
  } catch (error) {
    const isRolledBack = connectionAfter(error) === 'sound' && progress.brokenBy === undefined
    if (isRolledBack) {
      links.undo(undefined)
      if (isPlaceTaken(error)) links.abandon()
      links.settle()
    }
    throw error
  }
}

async function runStatements({ db }: Handle, build: Build) {
  const { lock, guard, writes } = build(db)
  checkHandle(db, [...(lock ? [lock] : []), guard, ...writes])
  if (lock) await lock
  const guarded = await guard
  if (guarded.length === 0) return undefined
  const rows: unknown[][] = []
  for (const write of writes) rows.push(await write)
  return { guard: guarded, rows }
}

/** What the statements of one transaction go over. */
type Use = { line: Line; links: Links }

/** drizzle over one connection, kept as long as that: prepared statements are built once for each handle. */
type Handle = { db: Queries; use<Answer>(use: Use, work: () => Promise<Answer>): Promise<Answer> }

function openHandle(): Handle {
  let current: Use | undefined
  const startChain = (start: NewAuditEvent): PromiseLike<unknown> => recordEvent(queries, tables, start)
  const query = async (statement: QueryConfig, values: unknown[]) => {
    if (!current) throw new TypeError('a statement of a batch was run after it')
    return await linked(current, startChain, statement, values)
  }
  const db = drizzle({ client: { query } as unknown as PoolClient })
  unwrapErrors(db)
  const queries = db as unknown as Queries
  return {
    db: queries,
    async use(use, work) {
      current = use
      try {
        return await work()
      } finally {
        current = undefined
      }
    },
  }
}

/** Every audit row gets its place when it is written. */
async function linked(
  { line, links }: Use,
  startChain: (start: NewAuditEvent) => PromiseLike<unknown>,
  statement: QueryConfig,
  values: unknown[],
) {
  const event = eventIn(values)
  if (!event) return await line.query(statement, values)
  const start = links.startBefore(event)
  if (start) await startChain(start)
  return await line.query(statement, withLink(values, links.next(event)))
}
