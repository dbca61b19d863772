import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { createLogKeeper, mostLog } from '../../src/storage/sqlite/log-size.ts'

function openDatabase() {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-log-'))
  const file = join(folder, 'coats.db')
  const connection = new SqliteDatabase(file, { timeout: 3 })
  connection.pragma('journal_mode = WAL')
  connection.pragma('synchronous = OFF')
  // As if another process always added to the log before all of it is copied.
  connection.pragma('wal_autocheckpoint = 0')
  connection.exec('CREATE TABLE coats (lining BLOB)')
  onTestFinished(() => {
    connection.close()
    rmSync(folder, { recursive: true })
  })
  return {
    file,
    connection,
    write: (bytes: number) => connection.prepare('INSERT INTO coats VALUES (zeroblob(?))').run(bytes),
    logSize: () => statSync(`${file}-wal`).size,
    coats: () => connection.prepare('SELECT count(*) FROM coats').pluck().get(),
  }
}

test('a log that grew too long is begun anew, and nothing of it is lost', () => {
  const { connection, file, write, logSize, coats } = openDatabase()
  write(1_000_000)
  createLogKeeper(connection, file)()
  expect(logSize()).toBeGreaterThan(1_000_000)
  write(mostLog)
  createLogKeeper(connection, file)()
  expect(logSize()).toBe(0)
  expect(coats()).toBe(2)
})

test('while somebody reads what stood before, it is left as it is, and not tried again at once', () => {
  const { connection, file, write, logSize } = openDatabase()
  const reader = new SqliteDatabase(file, { timeout: 3 })
  write(10)
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM coats').get()
  write(mostLog)
  const keep = createLogKeeper(connection, file)
  keep()
  expect(logSize()).toBeGreaterThan(mostLog)
  reader.close()
  keep()
  expect(logSize()).toBeGreaterThan(mostLog)
  createLogKeeper(connection, file)()
  expect(logSize()).toBe(0)
})
