import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const page = readFileSync('docs/audit-events.md', 'utf8')
const source = readFileSync('src/audit/event.ts', 'utf8')

test('every event is on the page of events, once, and no other is', () => {
  const declared = [...source.matchAll(/^ {2}\| '([a-z_.]+)'$/gm)].map(([, name]) => name)
  const rows = page.split('\n').filter((line) => line.startsWith('| `'))
  const told = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([a-z_.]+)`/g)].map(([, name]) => name),
  )
  expect(told.toSorted()).toEqual(declared.toSorted())
  expect(declared.length).toBeGreaterThan(50)
})
