import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isThere, namedTests } from '../support/named-tests.ts'

describe.each(['docs/security-tests.md', 'docs/security-model.md'])('every test that %s names', (page) => {
  test('is in its file, by that name', () => {
    const named = namedTests(page).filter(({ cells }) => cells.length === 3)
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((row) => !isThere(row))).toEqual([])
  })
})

test('every row of the page of attacks names a test, and every table begins with what it tests', () => {
  const head = '| what must hold | file | test |'
  const tables = readFileSync('docs/security-tests.md', 'utf8').split(head).slice(1)
  const lines = tables.flatMap((table) =>
    table
      .split('\n')
      .slice(2)
      .filter((line) => line.startsWith('|')),
  )
  expect(namedTests('docs/security-tests.md')).toHaveLength(lines.length)
  for (const table of tables) {
    const first = table.split('\n')[2]
    if (first?.startsWith('|')) expect(first).toMatch(/^\| \S/)
  }
})
