import { expect, test } from 'vitest'
import { isThere, namedTests, tableRows } from '../support/named-tests.ts'

const page = 'docs/provider-cases.md'

/** What a row that begins a case says. */
type Case = { number: number; gateway: string; file: string }

const cases = tableRows(page)
  .filter(([first = '']) => /^\d+$/.test(first))
  .map(([first, _provider, gateway = '', file = '']): Case => ({ number: Number(first), gateway, file }))

test('every test that the page names is in its file, by that name', () => {
  expect(namedTests(page).length).toBeGreaterThan(cases.length)
  expect(namedTests(page).filter((row) => !isThere(row))).toEqual([])
})

test('every case stands there once, and has a test or says what it waits for', () => {
  const numbers = cases.map(({ number }) => number).sort((a, b) => a - b)
  expect(numbers).toEqual(Array.from({ length: 67 }, (_, index) => index + 1))
  const hasNeither = ({ gateway, file }: Case) => !file.startsWith('`test/') && !gateway.startsWith('waits')
  expect(cases.filter(hasNeither)).toEqual([])
})
