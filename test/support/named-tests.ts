import { readFileSync } from 'node:fs'

/** A row of a table that names a test in its last two cells. */
export type NamedTest = { cells: string[]; file: string; name: string }

/** The cells of every row of a page's tables, heads included; a bar inside a cell is written `\|`. */
export function tableRows(page: string): string[][] {
  const lines = readFileSync(page, 'utf8').split('\n')
  return lines
    .filter((line) => line.startsWith('|'))
    .map((line) => {
      const cells = line.split(/(?<!\\)\|/).slice(1, -1)
      return cells.map((cell) => cell.trim().replaceAll('\\|', '|'))
    })
}

/** The tests that the tables of a page name. */
export function namedTests(page: string): NamedTest[] {
  return tableRows(page).flatMap((cells) => {
    const file = /^`(test\/.+(?:\.test|-contract)\.ts)`$/.exec(cells.at(-2) ?? '')?.[1]
    return file === undefined ? [] : [{ cells, file, name: cells.at(-1) ?? '' }]
  })
}

/** Whether a file holds a test of this name, as it is written there. */
export function isThere({ file, name }: NamedTest): boolean {
  const source = readFileSync(file, 'utf8')
  return ["'", '"', '`'].some((quote) => source.includes(`${quote}${name}${quote}`))
}
