import { readFileSync } from 'node:fs'
import SqliteDatabase from 'better-sqlite3'
import {
  type DrizzleSnapshotJSON,
  type DrizzleSQLiteSnapshotJSON,
  generateDrizzleJson,
  generateMigration,
  generateSQLiteDrizzleJson,
  generateSQLiteMigration,
} from 'drizzle-kit/api'
import { expect, test } from 'vitest'
import { pendingMigrations, readMigrations, SchemaMismatchError } from '../../src/storage/migrations.ts'
import * as postgresTables from '../../src/storage/postgres/tables.ts'
import { migrate } from '../../src/storage/sqlite/migrate.ts'
import * as sqliteTables from '../../src/storage/sqlite/tables.ts'

function lastSnapshot<Snapshot>(dialect: 'sqlite' | 'postgres'): Snapshot {
  const [number] = readMigrations(dialect).at(-1)?.tag.split('_') ?? []
  return JSON.parse(readFileSync(`drizzle/${dialect}/meta/${number}_snapshot.json`, 'utf8'))
}

test('the SQLite migrations lead to the schema', async () => {
  const schema = await generateSQLiteDrizzleJson(sqliteTables)
  expect(await generateSQLiteMigration(lastSnapshot<DrizzleSQLiteSnapshotJSON>('sqlite'), schema)).toEqual([])
})

test('the PostgreSQL migrations lead to the schema', async () => {
  const schema = generateDrizzleJson(postgresTables)
  expect(await generateMigration(lastSnapshot<DrizzleSnapshotJSON>('postgres'), schema)).toEqual([])
})

test.each([
  ['SQLite', sqliteTables],
  ['PostgreSQL', postgresTables],
])('drizzle-kit sees every table of %s', (_, { tables, ...seen }) => {
  expect(seen).toEqual(tables)
})

test('PostgreSQL cuts no name of the schema short', () => {
  const sources = readMigrations('postgres').map(({ source }) => source)
  const names = sources.flatMap((source) => [...source.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name))
  expect(names.length).toBeGreaterThan(100)
  expect(names.filter((name) => Buffer.byteLength(name) > 63)).toEqual([])
})

const migration = (tag: string, source = `CREATE TABLE t_${tag} (id text)`) => ({
  tag,
  hash: `hash of ${source}`,
  source,
})
const applied = ({ tag, hash }: { tag: string; hash: string }) => ({ tag, hash })

test('what a database has not had is pending, in its order', () => {
  const [a, b, c] = [migration('a'), migration('b'), migration('c')]
  expect(pendingMigrations([a, b, c], [])).toEqual([a, b, c])
  expect(pendingMigrations([a, b, c], [applied(a)])).toEqual([b, c])
  expect(pendingMigrations([a, b, c], [applied(a), applied(b), applied(c)])).toEqual([])
})

test('a migration this version does not know, or knows otherwise, is a mismatch', () => {
  const [a, b] = [migration('a'), migration('b')]
  expect(() => pendingMigrations([a], [applied(a), applied(b)])).toThrow(SchemaMismatchError)
  expect(() => pendingMigrations([a, b], [{ tag: 'a', hash: 'another' }])).toThrow(SchemaMismatchError)
})

const tablesOf = (connection: SqliteDatabase.Database) =>
  connection.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`).pluck().all()

test('a migration that fails leaves the database as it was', () => {
  const connection = new SqliteDatabase(':memory:')
  const broken = migration('b', 'CREATE TABLE half (id text); CREATE TABLE')
  migrate(connection, [migration('a')])
  expect(() => migrate(connection, [migration('a'), broken])).toThrow(/incomplete input/)
  expect(tablesOf(connection)).toEqual(['applied_migrations', 't_a'])
  migrate(connection, [migration('a'), migration('b')])
  expect(tablesOf(connection)).toEqual(['applied_migrations', 't_a', 't_b'])
})

test('a table is changed by copying it without losing what refers to it', () => {
  const connection = new SqliteDatabase(':memory:')
  const first = migration(
    'a',
    'CREATE TABLE p (id text PRIMARY KEY); CREATE TABLE c (p text REFERENCES p (id) ON DELETE CASCADE)',
  )
  migrate(connection, [first])
  connection.exec(`INSERT INTO p VALUES ('1'); INSERT INTO c VALUES ('1')`)
  const copy = migration(
    'b',
    'CREATE TABLE new_p (id text PRIMARY KEY, x text); INSERT INTO new_p SELECT id, 0 FROM p; DROP TABLE p; ALTER TABLE new_p RENAME TO p',
  )
  migrate(connection, [first, copy])
  expect(connection.prepare('SELECT p FROM c').pluck().all()).toEqual(['1'])
  expect(() => connection.exec(`INSERT INTO c VALUES ('2')`)).toThrow(/FOREIGN KEY/)
})

test('a migration that would leave rows without their parent is refused', () => {
  const connection = new SqliteDatabase(':memory:')
  const first = migration(
    'a',
    'CREATE TABLE p (id text PRIMARY KEY); CREATE TABLE c (p text REFERENCES p (id))',
  )
  migrate(connection, [first])
  connection.exec(`INSERT INTO p VALUES ('1'); INSERT INTO c VALUES ('1')`)
  expect(() => migrate(connection, [first, migration('b', 'DELETE FROM p')])).toThrow(SchemaMismatchError)
  expect(connection.prepare('SELECT id FROM p').pluck().all()).toEqual(['1'])
})
