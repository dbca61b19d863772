import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

type Row = { what: string; file: string; name: string }

/** The rows of a page's tables that name a test; a bar inside a cell is written `\|`. */
function rowsOf(page: string): Row[] {
  const lines = readFileSync(page, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'))
  return lines.flatMap((line) => {
    const cells = line.split(/(?<!\\)\|/).slice(1, -1)
    const [what = '', file = '', name = ''] = cells.map((cell) => cell.trim().replaceAll('\\|', '|'))
    const path = /^`(test\/.+\.test\.ts)`$/.exec(file)?.[1]
    return path === undefined || cells.length !== 3 ? [] : [{ what, file: path, name }]
  })
}

describe.each(['docs/security-tests.md', 'docs/security-model.md'])('every test that %s names', (page) => {
  test('is in its file, by that name', () => {
    const isThere = ({ file, name }: Row) => {
      const source = readFileSync(file, 'utf8')
      return ["'", '"', '`'].some((quote) => source.includes(`${quote}${name}${quote}`))
    }
    expect(rowsOf(page).length).toBeGreaterThan(20)
    expect(rowsOf(page).filter((row) => !isThere(row))).toEqual([])
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
  expect(rowsOf('docs/security-tests.md')).toHaveLength(lines.length)
  for (const table of tables) {
    const first = table.split('\n')[2]
    if (first?.startsWith('|')) expect(first).toMatch(/^\| \S/)
  }
})
