import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import pg from 'pg'
import { inject } from 'vitest'
import { openDatabase } from '../../src/storage/database.ts'
import { connectPostgres } from './postgres.ts'

export type DatabaseKind = 'sqlite' | 'postgres'

declare module 'vitest' {
  interface ProvidedContext {
    database: DatabaseKind
    /** The server of the run, and a database on it that had the migrations and nothing else. */
    postgres: { url: string; migrated: string }
  }
}

/** What a test gateway keeps everything in, and what a test does with it behind the gateway's back. */
export type TestDatabase = {
  kind: DatabaseKind
  url: string
  /** What a statement answers; each `?` in it stands for a value. */
  rows<Row = Record<string, unknown>>(sql: string, ...values: unknown[]): Promise<Row[]>
  /** Carries out some statements. */
  run(sql: string): Promise<void>
  /** Another one, with all that is in this. On PostgreSQL nobody may have this one open. */
  copy(): Promise<TestDatabase>
  /** Every row of every table. */
  everything(): Promise<Record<string, unknown[]>>
  /** All that is in it, as whoever has the machine would read it: by the name of a file, or of a table. */
  contents(): Promise<Record<string, string | Uint8Array>>
  /** Lets every write wait until what it answers is called. */
  holdWrites(): Promise<() => Promise<void>>
  remove(): Promise<void>
}

/**
 * The one place that says which database a test runs on: the project of the run says so (vitest.config.ts). Programs
 * that vitest does not run, such as the torture, are on SQLite.
 */
export const databaseKind = (): DatabaseKind => (process.env.VITEST ? inject('database') : 'sqlite')

/**
 * How often a test makes up something to send. What comes of odd input is shown on SQLite; on PostgreSQL, which takes
 * longer, it is shown that this is no other there.
 */
export const runs = (times: number) => (databaseKind() === 'postgres' ? Math.ceil(times / 5) : times)

/** A database of its own, migrated already. */
export const createTestDatabase = async (): Promise<TestDatabase> =>
  databaseKind() === 'postgres' ? await createCopy(inject('postgres').migrated) : await createTestFile()

/** For a test that is about SQLite, wherever it runs. */
export async function createTestFile(): Promise<TestDatabase & { folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-test-'))
  copyFileSync(await migratedFile(), join(folder, 'coatcheck.db'))
  return onSqlite(folder)
}

function onSqlite(folder: string): TestDatabase & { folder: string } {
  const file = join(folder, 'coatcheck.db')
  const opened = () => new SqliteDatabase(file)
  const rows = async <Row>(sql: string, ...values: unknown[]): Promise<Row[]> => {
    const connection = opened()
    try {
      const statement = connection.prepare<unknown[], Row>(sql)
      if (statement.reader) return statement.all(...values)
      statement.run(...values)
      return []
    } finally {
      connection.close()
    }
  }
  return {
    kind: 'sqlite',
    url: `sqlite:${file}`,
    folder,
    rows,
    run: async (sql) => void opened().exec(sql).close(),
    async copy() {
      const folder = mkdtempSync(join(tmpdir(), 'coatcheck-test-'))
      const connection = opened()
      await connection.backup(join(folder, 'coatcheck.db'))
      connection.close()
      return onSqlite(folder)
    },
    everything: async () => {
      const connection = opened()
      const tables = connection
        .prepare<[], { name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
        .all()
      const all = tables.map(({ name }) => [name, connection.prepare(`SELECT * FROM "${name}"`).all()])
      connection.close()
      return Object.fromEntries(all)
    },
    contents: async () =>
      Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))])),
    async holdWrites() {
      const connection = opened()
      connection.exec('BEGIN IMMEDIATE')
      return async () => void connection.exec('ROLLBACK').close()
    },
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

const template: { file?: Promise<string> } = {}

/** Made once in a process: the migrations take ten times as long as a copy. */
async function migratedFile(): Promise<string> {
  template.file ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), 'coatcheck-migrated-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'coatcheck.db')
    await (await openDatabase(`sqlite:${file}`)).close()
    return file
  })()
  return await template.file
}

/** The server of the run, for a test that is about PostgreSQL. */
export async function postgresServer() {
  const { url, migrated } = inject('postgres')
  return { ...(await connectPostgres(url)), url, migrated }
}

async function createCopy(original: string): Promise<TestDatabase> {
  const server = await postgresServer()
  const url = await server.createDatabase(original)
  const rows = <Row>(sql: string, ...values: unknown[]): Promise<Row[]> =>
    connected(url, async (client) => (await client.query(numbered(sql), values)).rows)
  const everything = () =>
    connected(url, async (client) => {
      const tables = await tablesOf(client)
      const found = await client.query(tables.map((table) => `TABLE ${table}`).join(';'))
      // The driver answers several statements with several answers, which its types do not know.
      const answers = found as unknown as pg.QueryResult[]
      return Object.fromEntries(answers.map((answer, index) => [tables[index], answer.rows]))
    })
  return {
    kind: 'postgres',
    url,
    rows,
    run: async (sql) => void (await connected(url, (client) => client.query(sql))),
    copy: () => createCopy(url),
    everything,
    async contents() {
      const all = Object.entries(await everything())
      return Object.fromEntries(all.map(([table, found]) => [`table ${table}`, JSON.stringify(found)]))
    },
    async holdWrites() {
      const client = new pg.Client(url)
      await client.connect()
      await client.query(`BEGIN; LOCK TABLE ${(await tablesOf(client)).join(', ')} IN EXCLUSIVE MODE`)
      return () => client.end()
    },
    remove: server.stop,
  }
}

async function connected<Answer>(url: string, use: (client: pg.Client) => Promise<Answer>): Promise<Answer> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

async function tablesOf(client: pg.Client): Promise<string[]> {
  const found = await client.query<{ name: string }>(
    'SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1',
  )
  return found.rows.map(({ name }) => name)
}

function numbered(sql: string): string {
  let nth = 0
  return sql.replaceAll('?', () => `$${++nth}`)
}
