import { setTimeout as pause } from 'node:timers/promises'
import type { PoolClient, QueryConfig, QueryResult } from 'pg'
import { within } from './connect.ts'
import type { Connections } from './connections.ts'
import { connectionAfter, gaveWay, lostStatement } from './faults.ts'
import type { StatementNames } from './statement-names.ts'

/** A connection as a unit has it: an answer is waited for until the unit's time is over. */
export type Line = {
  /** What is the same for as long as the connection lasts. */
  readonly connection: PoolClient
  query(statement: QueryConfig, values?: unknown[]): Promise<QueryResult>
}

/** How far a unit came. */
export type Progress = {
  /** From when what it wrote may be there, although nobody said so. */
  mayBeCommitted: boolean
  /** What went wrong with the connection after what went wrong with the unit. */
  brokenBy?: unknown
}

/** Attempts at what has to give way to others, and at what lost its connection: those that break together break in turn. */
const mostAttempts = 5
/** Milliseconds the first of them pauses for at most; each further one twice as long. */
const firstPause = 10

export type Units = {
  connections: Connections
  names: StatementNames
  /** Milliseconds a unit may take, all of its attempts together. */
  patience: number
  /** Told of each time one had to give way. */
  onGaveWay(): void
}

export type RunUnit = <Answer>(run: (line: Line, progress: Progress) => Promise<Answer>) => Promise<Answer>

/**
 * Runs what belongs together on one connection. It is run again where it is certain that nothing came of it and it may
 * go better: it had to give way, or its connection broke before it could be committed. Rejects with what the driver
 * throws.
 */
export function unitsOn({ connections, names, patience, onGaveWay }: Units): RunUnit {
  return async (run) => {
    const until = performance.now() + patience
    for (let attempt = 1; ; attempt++) {
      const { client, giveBack } = await connections.take(until)
      const progress: Progress = { mayBeCommitted: false }
      try {
        const answer = await run(lineOver(client, names, until), progress)
        giveBack()
        return answer
      } catch (error) {
        giveBack(progress.brokenBy ?? error)
        if (lostStatement(error)) names.giveUp()
        const rest = Math.random() * firstPause * 2 ** (attempt - 1)
        if (performance.now() + rest > until || !mayRepeat(error, attempt, progress)) throw error
        if (gaveWay(error)) onGaveWay()
        await pause(rest)
      }
    }
  }
}

function mayRepeat(error: unknown, attempt: number, { mayBeCommitted }: Progress): boolean {
  if (attempt === mostAttempts) return false
  return gaveWay(error) || (!mayBeCommitted && connectionAfter(error) === 'broken')
}

const lineOver = (client: PoolClient, names: StatementNames, until: number): Line => ({
  connection: client,
  query: (statement, values) =>
    client.query(within(until - performance.now(), names.named(statement)), values),
})

/** Runs work in a transaction that is committed where it answers something. */
export async function transact<Answer>(
  begin: string,
  line: Line,
  progress: Progress,
  work: () => Promise<Answer | undefined>,
): Promise<Answer | undefined> {
  try {
    await line.query({ text: begin })
    const answer = await work()
    progress.mayBeCommitted = answer !== undefined
    const { command } = await line.query({ text: answer === undefined ? 'ROLLBACK' : 'COMMIT' })
    // The server calls it no error: of a transaction in which something had failed nothing is there.
    if (answer !== undefined && command !== 'COMMIT') throw new TypeError('a transaction that had failed')
    return answer
  } catch (error) {
    if (connectionAfter(error) === 'sound') await rollBack(line, progress)
    throw error
  }
}

/** What the server refused is not there, a COMMIT included. */
async function rollBack(line: Line, progress: Progress): Promise<void> {
  try {
    await line.query({ text: 'ROLLBACK' })
    progress.mayBeCommitted = false
  } catch (error) {
    progress.brokenBy = error
  }
}
