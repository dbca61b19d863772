import SqliteDatabase from 'better-sqlite3'
import { afterAll, expect, test, vi } from 'vitest'
import { rowsOf, statementCache } from '../../src/storage/sqlite/statements.ts'

const connection = new SqliteDatabase(':memory:')
afterAll(() => connection.close())

const join = 'select a.x from t a inner join t b on b.x = a.x where a.x = ? and b.x > ?'

test('a join is planned once, since SQLite cannot see the values it names while planning', () => {
  connection.exec("create table t (x text primary key); insert into t values ('one'), ('two')")
  const prepare = vi.spyOn(connection, 'prepare')
  const prepared = statementCache(connection)
  expect(rowsOf(prepared(join), ['two', 'one'])).toEqual([['two']])
  expect(rowsOf(prepared(join), ['one', 'one'])).toEqual([])
  expect(prepare.mock.calls).toEqual([[expect.stringMatching(/where a\.x = \+\? and/)]])
})
