import type { Database as Connection } from 'better-sqlite3'
import type { NewAuditEvent } from '../audit-events.ts'
import { type Chains, eventIn, type Links, withLink } from '../audit-links.ts'
import { isPlaceTaken } from '../query-errors.ts'
import { StorageUnavailableError } from '../unavailable.ts'
import { asUnavailable, isBusy } from './faults.ts'
import { type Query, type Rows, rowsOf, statementCache } from './statements.ts'

export type GateOptions = {
  /** Milliseconds a write may wait for another process to let go of the database. */
  patience: number
  /** How many units may wait at once. */
  capacity: number
  /** Told of every commit and of every time another process was found holding the database. */
  observe?: (event: GateEvent) => void
  /** Whether the files at their paths are those that were opened: what is written into others is lost. */
  isIntact?: () => boolean
  /** Gives every audit row its place when it is carried out; absent: such rows are refused. */
  audit?: AuditRows
}

export type AuditRows = {
  chains: Pick<Chains, 'transaction'>
  /** The statement that writes an event. */
  queryOf: (event: NewAuditEvent) => Query
}

export type GateEvent =
  /** `seconds`: how long it took, on SQLite with the event loop at a standstill. */
  { kind: 'committed'; units: number; seconds: number } | { kind: 'busy'; waiting: number }

/** The rows of each statement of a unit; `undefined`: its guard answered none, and nothing of it shall stay. */
type Outcome = Rows[] | undefined

/** What is written together or not at all, and who waits for it. */
type Unit = {
  carryOut: () => Outcome
  /** Monotonic milliseconds. */
  deadline: number
  resolve: (outcome: Outcome) => void
  reject: (error: unknown) => void
  settled: Promise<Outcome>
}

export type Gate = ReturnType<typeof openGate>

/**
 * Milliseconds between two attempts to begin while another process holds the database: a fiftieth of those it has held it. So
 * of processes that write all the time none is left behind, and one that takes its time is not asked too often.
 */
const pauses = { shortest: 2, longest: 50 }

/**
 * The one way into an SQLite database. Reads run at once. Writes wait for the end of the event-loop turn, are
 * committed together, and are answered only when that commit is on the disk: concurrent requests share one
 * fsync, and no read sees what is not committed. Each unit has a savepoint of its own, so that one which fails
 * spoils no other.
 */
export function openGate(
  connection: Connection,
  { patience, capacity, observe, audit, isIntact = () => true }: GateOptions,
) {
  const prepared = statementCache(connection)
  const begin = connection.prepare('BEGIN IMMEDIATE')
  const savepoint = connection.prepare('SAVEPOINT unit')
  const undo = connection.prepare('ROLLBACK TO unit')
  const release = connection.prepare('RELEASE unit')
  const commit = connection.prepare('COMMIT')
  const rollback = connection.prepare('ROLLBACK')

  let queue: Unit[] = []
  let scheduled = false
  /** Since when this process has been waiting for another, in monotonic milliseconds. */
  let waitingSince: number | undefined
  let closed = false
  /** Of the transaction that is under way. */
  let links: Links | undefined

  function rowsFrom({ sql, params }: Query): Rows {
    const event = eventIn(params)
    if (!event || !audit || !links) return rowsOf(prepared(sql), params)
    const start = links.startBefore(event)
    if (start) insertLinked(audit.queryOf(start), start, links)
    return insertLinked({ sql, params }, event, links)
  }

  function insertLinked({ sql, params }: Query, event: NewAuditEvent, to: Links): Rows {
    return rowsOf(prepared(sql), withLink(params, to.next(event)))
  }

  /** Answers the rows of one statement: of a read at once, of a write when it is durable. */
  async function run(query: Query): Promise<Rows> {
    if (closed) throw new StorageUnavailableError('closed')
    try {
      if (prepared(query.sql).readonly) return rowsFrom(query)
    } catch (error) {
      // Rare in WAL mode: somebody recovers or closes the file. The read waits like a write.
      if (!isBusy(error)) throw asUnavailable(error)
    }
    const [rows = []] = (await enqueue(() => [rowsFrom(query)])) ?? []
    return rows
  }

  /** Runs the guard and, if it answers a row, the writes. `undefined`: it did not, and nothing was written. */
  async function runGuarded(guard: Query, writes: readonly Query[]): Promise<Outcome> {
    return await enqueue(() => {
      const rows = rowsFrom(guard)
      return rows.length === 0 ? undefined : [rows, ...writes.map(rowsFrom)]
    })
  }

  function enqueue(carryOut: () => Outcome): Promise<Outcome> {
    if (closed) throw new StorageUnavailableError('closed')
    if (queue.length >= capacity) throw new StorageUnavailableError('overloaded')
    const { promise: settled, resolve, reject } = Promise.withResolvers<Outcome>()
    queue.push({ carryOut, deadline: performance.now() + patience, resolve, reject, settled })
    if (!scheduled) {
      scheduled = true
      setImmediate(flush)
    }
    return settled
  }

  /** Commits everything that waits, in one synchronous transaction, and only then answers. */
  function flush(): void {
    const startedAt = performance.now()
    try {
      requireIntact()
      begin.run()
    } catch (error) {
      if (isBusy(error)) waitLonger(error)
      else rejectAll(takeQueue(), error)
      return
    }
    const units = takeQueue()
    let answers: (() => void)[]
    links = audit?.chains.transaction()
    try {
      answers = units.map(attempt)
      commit.run()
      requireIntact()
    } catch (error) {
      // Whether it is on the disk after all is not known, so the chain is not gone on with.
      rejectAll(units, error)
      if (connection.inTransaction) rollback.run()
      return
    }
    links?.settle()
    const committedAt = performance.now()
    for (const answer of answers) answer()
    observe?.({ kind: 'committed', units: units.length, seconds: (committedAt - startedAt) / 1000 })
  }

  function requireIntact(): void {
    if (!isIntact()) throw new StorageUnavailableError('replaced')
  }

  /** Carries a unit out and says how its caller is to be answered, should the commit succeed. */
  function attempt(unit: Unit): () => void {
    savepoint.run()
    const mark = links?.mark()
    try {
      const outcome = unit.carryOut()
      if (!outcome) {
        undo.run()
        links?.undo(mark)
      }
      release.run()
      return () => unit.resolve(outcome)
    } catch (error) {
      // A full or failing disk can make SQLite roll back the whole transaction: then all units failed.
      if (!connection.inTransaction) throw error
      undo.run()
      links?.undo(mark)
      if (isPlaceTaken(error)) links?.abandon()
      release.run()
      return () => unit.reject(asUnavailable(error))
    }
  }

  /** Another process writes. Waiting in SQLite would stall the event loop, so the wait is a timer's. */
  function waitLonger(error: unknown): void {
    const now = performance.now()
    const expired = queue.filter((unit) => unit.deadline <= now)
    queue = queue.filter((unit) => unit.deadline > now)
    rejectAll(expired, error)
    observe?.({ kind: 'busy', waiting: queue.length })
    scheduled = queue.length > 0
    if (!scheduled) return
    waitingSince ??= now
    const pause = Math.min(Math.max((now - waitingSince) / 50, pauses.shortest), pauses.longest)
    // Not in step with the others that wait.
    setTimeout(flush, pause * (0.5 + Math.random()))
  }

  function takeQueue(): Unit[] {
    const units = queue
    queue = []
    scheduled = false
    waitingSince = undefined
    return units
  }

  function rejectAll(units: readonly Unit[], error: unknown): void {
    const reason = asUnavailable(error)
    for (const unit of units) unit.reject(reason)
  }

  /** Lets nothing more in and waits until everything inside is answered. */
  async function close(): Promise<void> {
    closed = true
    await Promise.allSettled(queue.map((unit) => unit.settled))
  }

  return { run, runGuarded, close, waiting: () => queue.length }
}
