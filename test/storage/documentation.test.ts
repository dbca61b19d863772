import { readFileSync } from 'node:fs'
import { getTableColumns, getTableName } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { tables } from '../../src/storage/sqlite/tables.ts'

const [, chapter = ''] = readFileSync('docs/storage.md', 'utf8').split(/^## Tables$/m)
const sections = new Map(
  chapter
    .split(/^## /m, 1)
    .join('')
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split('\n', 1)[0] ?? '', section]),
)

const columnsOf = new Map(
  Object.values(tables).map((table) => [
    getTableName(table),
    Object.values(getTableColumns(table)).map(({ name }) => `${getTableName(table)}.${name}`),
  ]),
)

test('docs/storage.md has a section for every table, and for no other', () => {
  const described = [...sections.keys()].filter((name) => name !== 'applied_migrations')
  expect(described.sort()).toEqual([...columnsOf.keys()].sort())
})

test.each([...columnsOf])(
  'docs/storage.md says of every hashed or sealed column of %s why it is safe',
  (table, columns) => {
    const protectedColumns = columns.filter((column) => /_hash$|\.sealed_/.test(column))
    const named = [...(sections.get(table) ?? '').matchAll(/`(\w+\.\w+)`/g)].map(([, column]) => column)
    expect(named.sort()).toEqual(protectedColumns.sort())
  },
)
