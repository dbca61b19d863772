import { statSync } from 'node:fs'
import type { Database as Connection } from 'better-sqlite3'

/** Bytes of the log from which on SQLite does not keep up by itself; it begins to at 8 MB. */
export const mostLog = 33_554_432

/** Milliseconds between two looks at it: each attempt may wait for a reader, and a backup reads for long. */
const rest = 1_000

/**
 * Keeps the write-ahead log short where several processes write all the time; to be called after a commit. SQLite copies
 * the log into the database after a commit that makes it long, and begins it anew only when it has copied all of it. Another
 * process always adds to it meanwhile, so that it would grow for as long as they write: here nobody may add.
 */
export function createLogKeeper(connection: Connection, file: string): () => void {
  let nextLook = 0
  return () => {
    const now = performance.now()
    if (now < nextLook) return
    nextLook = now + rest
    const log = statSync(`${file}-wal`, { throwIfNoEntry: false })
    if (!log || log.size < mostLog) return
    try {
      connection.pragma('wal_checkpoint(TRUNCATE)')
    } catch {
      // What was committed is in the log; what ails the disk, the next commit says.
    }
  }
}
