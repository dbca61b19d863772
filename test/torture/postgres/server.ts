import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import type { Cluster } from '../../support/postgres-cluster.ts'

/** How a server is told to stop: with everybody cut off, or at once as if it had crashed. */
export type StopMode = 'fast' | 'immediate'

const stopSignals = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** A PostgreSQL that is killed and started again over the same files. */
export type Server = {
  /** The folder of its socket. */
  folder: string
  /** Starts it and waits until it takes connections. */
  start(): Promise<void>
  /** Kills its first process, whose children then leave by themselves, or all of them at once. */
  kill(which: 'postmaster' | 'everything'): Promise<void>
  stop(mode: StopMode): Promise<void>
  /** Stops it if it runs. */
  close(): Promise<void>
  /** A statement as the superuser, on a connection of its own. */
  run<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    sql: string,
    values?: unknown[],
    database?: string,
  ): Promise<Row[]>
}

/** As it is run in earnest: what is committed is on the disk. */
const earnest = { listen_addresses: '', fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' }

export function createServer(
  { postgres, data, asOwner }: Cluster,
  settings: Record<string, string> = {},
): Server {
  const flags = Object.entries({ ...earnest, unix_socket_directories: asOwner.cwd, ...settings })
  const command = [postgres, '-D', data, ...flags.flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  let server: ChildProcess | undefined

  /** Whatever becomes of the torture, its end of the pipe closes with it, and the shell stops the server. */
  const script = '"$@" <&- & server=$!; cat >/dev/null; kill -QUIT $server; wait $server'

  async function gone(processes: readonly number[]): Promise<void> {
    while (processes.some((each) => existsSync(`/proc/${each}`))) await setTimeout(10)
    server?.stdin?.end()
    server = undefined
  }

  async function stop(mode: StopMode): Promise<void> {
    const processes = family()
    process.kill(processes[0] ?? 0, stopSignals[mode])
    await gone(processes)
  }

  const family = () => {
    const [first = ''] = readFileSync(`${data}/postmaster.pid`, 'utf8').split('\n')
    const children = readFileSync(`/proc/${first}/task/${first}/children`, 'utf8')
    return [first, ...children.split(' ')].filter((each) => each !== '').map(Number)
  }

  return {
    folder: asOwner.cwd,

    async start() {
      const started = spawn('sh', ['-c', script, 'sh', ...command], {
        ...asOwner,
        stdio: ['pipe', 'ignore', 'pipe'],
      })
      server = started
      await new Promise<void>((resolve, reject) => {
        let log = ''
        started.stderr.on('data', (chunk) => {
          log += chunk
          if (/ready to accept (read-only )?connections/.test(log)) resolve()
          if (log.includes('FATAL') && log.includes('database system is shut down')) reject(new Error(log))
        })
        started.once('exit', () => reject(new Error(`PostgreSQL did not start: ${log}`)))
      })
      started.stderr.removeAllListeners('data').resume()
    },

    async kill(which) {
      const processes = family()
      // The first one must not live to see the others die, or it would begin to recover.
      const doomed = which === 'everything' ? processes : processes.slice(0, 1)
      for (const each of doomed) process.kill(each, 'SIGKILL')
      await gone(processes)
    },

    stop,

    async close() {
      if (server) await stop('immediate')
    },

    async run<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = [], database = 'postgres') {
      const client = new pg.Client(`postgres://postgres@localhost/${database}?host=${asOwner.cwd}`)
      client.on('error', () => {})
      await client.connect()
      try {
        return (await client.query<Row>(sql, values)).rows
      } finally {
        await client.end()
      }
    },
  }
}
