import { statSync } from 'node:fs'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import pg from 'pg'
import { startPostgres } from '../test/support/postgres.ts'
import { parentOf, usageOfTree } from './processes.ts'

/** One database of a kind, which nobody has open while statements of the bench's own are run. */
export type BenchDatabase = {
  url: string
  /** The columns of a table, in their order. */
  columnsOf(table: string): Promise<string[]>
  run(sql: string): Promise<unknown>
  /** What the database would do by itself, though not at once. */
  settle(): Promise<unknown>
  bytes(): Promise<number>
}

export type DatabaseKind = {
  name: string
  create(folder: string): Promise<BenchDatabase>
  /** CPU time of a server of its own so far; what SQLite costs is in the gateway's. */
  cpuMicroseconds(): number
  stop(): Promise<void>
}

export const sqlite: DatabaseKind = {
  name: 'SQLite',
  async create(folder) {
    const file = join(folder, 'coatcheck.db')
    return {
      url: `sqlite:${file}`,
      async columnsOf(table) {
        return onSqlite(file, (connection) =>
          connection.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table),
        )
      },
      async run(sql) {
        onSqlite(file, (connection) => connection.exec(sql))
      },
      async settle() {},
      bytes: async () => statSync(file).size,
    }
  },
  cpuMicroseconds: () => 0,
  async stop() {},
}

function onSqlite<Answer>(file: string, work: (connection: SqliteDatabase.Database) => Answer): Answer {
  const connection = new SqliteDatabase(file)
  try {
    return work(connection)
  } finally {
    connection.close()
  }
}

/** A server with the settings it comes with, but for the memory that its own guide advises; every commit is synced. */
export async function startPostgresKind(): Promise<DatabaseKind> {
  const server = await startPostgres({ fsync: 'on', shared_buffers: '1GB', max_wal_size: '4GB' })
  const [row] = (await server.run('SELECT pg_backend_pid() AS pid')) as { pid: number }[]
  const postmaster = parentOf(row?.pid ?? 0)
  return {
    name: 'PostgreSQL',
    async create() {
      const url = await server.createDatabase()
      const query = async (sql: string, parameters: string[] = []) => {
        const client = new pg.Client(url)
        await client.connect()
        try {
          return (await client.query(sql, parameters)).rows
        } finally {
          await client.end()
        }
      }
      return {
        url,
        async columnsOf(table) {
          const rows = await query(
            'SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position',
            [table],
          )
          return rows.map(({ column_name }) => String(column_name))
        },
        run: query,
        settle: () => query('VACUUM ANALYZE'),
        async bytes() {
          const [size] = await query('SELECT pg_database_size(current_database())::float8 AS bytes')
          return size.bytes
        },
      }
    },
    cpuMicroseconds: () => usageOfTree(postmaster).cpuMicroseconds,
    stop: server.stop,
  }
}
