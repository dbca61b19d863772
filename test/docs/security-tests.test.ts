import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const page = ['docs/security-model.md', 'docs/security-tests.md']
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n')
const head = '| what must hold | file | test |'

type Row = { what: string; file: string; name: string }

/** The rows of every table that names tests; a bar inside a cell is written `\|`. */
function rows(): Row[] {
  const lines = page
    .split(head)
    .slice(1)
    .flatMap((table) => table.split('\n\n')[0]?.trim().split('\n').slice(1) ?? [])
  return lines.map((line) => {
    const cells = line.split(/(?<!\\)\|/).slice(1, -1)
    const [what = '', file = '', name = ''] = cells.map((cell) => cell.trim().replaceAll('\\|', '|'))
    expect(cells, line).toHaveLength(3)
    return { what, file: /^`(test\/.+)`$/.exec(file)?.[1] ?? file, name }
  })
}

test('every test that is named there is in its file, by that name', () => {
  const isThere = ({ file, name }: Row) => {
    const source = readFileSync(file, 'utf8')
    return ["'", '"', '`'].some((quote) => source.includes(`${quote}${name}${quote}`))
  }
  expect(rows().filter((row) => !isThere(row))).toEqual([])
})

test('every row of a table names a test, and a table begins with what it tests', () => {
  for (const table of page.split(head).slice(1)) {
    const first = table.split('\n')[2]
    if (first?.startsWith('|')) expect(first).toMatch(/^\| \S/)
  }
  expect(rows().filter(({ file, name }) => !file.startsWith('test/') || name === '')).toEqual([])
})
