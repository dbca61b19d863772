import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { filesOn, postgresAlone, sqliteAlone } from './projects.ts'

const lite = filesOn('sqlite')
const postgres = filesOn('postgres')

test('a file that starts a gateway runs on both databases, one that starts none once', () => {
  for (const file of ['test/flow/races.test.ts', 'test/admin/clients.test.ts', 'test/flow/crash.test.ts']) {
    expect([lite.includes(file), postgres.includes(file)]).toEqual([true, true])
  }
  expect([lite, postgres].map((files) => files.includes('test/lib/seal.test.ts'))).toEqual([true, false])
})

test('what runs on one of them alone is there, and runs on that one', () => {
  for (const file of Object.keys(sqliteAlone)) {
    expect([file, existsSync(file), lite.includes(file), postgres.includes(file)]).toEqual([
      file,
      true,
      true,
      false,
    ])
  }
  for (const file of Object.keys(postgresAlone)) {
    expect([file, existsSync(file), lite.includes(file), postgres.includes(file)]).toEqual([
      file,
      true,
      false,
      true,
    ])
  }
})
