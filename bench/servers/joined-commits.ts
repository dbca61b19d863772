import type { Database } from 'better-sqlite3'

/** Runs a durable write and answers when it is on the disk. */
export type Commit = <Result>(write: () => Result) => Promise<Result>

/** All writes of one turn of the event loop share a commit; each has a savepoint, so that one that fails spoils no other. */
export function joinedCommits(connection: Database): Commit {
  const begin = connection.prepare('BEGIN IMMEDIATE')
  const commit = connection.prepare('COMMIT')
  const savepoint = connection.prepare('SAVEPOINT one')
  const release = connection.prepare('RELEASE one')
  const undo = connection.prepare('ROLLBACK TO one')
  let queue: (() => () => void)[] = []

  function flush(): void {
    const writes = queue
    queue = []
    begin.run()
    const answers = writes.map((write) => write())
    commit.run()
    for (const answer of answers) answer()
  }

  return <Result>(write: () => Result) =>
    new Promise<Result>((resolve, reject) => {
      queue.push(() => {
        savepoint.run()
        try {
          const result = write()
          release.run()
          return () => resolve(result)
        } catch (error) {
          undo.run()
          release.run()
          return () => reject(error)
        }
      })
      if (queue.length === 1) setImmediate(flush)
    })
}

/** Each write commits by itself, as most adapters people write do. */
export const separateCommits: Commit = async (write) => write()

/** As durable as the gateway: a commit that was answered survives a power cut. */
export function makeDurable(connection: Database): void {
  connection.pragma('page_size = 8192')
  connection.pragma('journal_mode = WAL')
  connection.pragma('synchronous = FULL')
}
