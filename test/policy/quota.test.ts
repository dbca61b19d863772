import { describe, expect, test } from 'vitest'
import { applies, countOf, windowAt } from '../../src/policy/quota.ts'

const at = (text: string) => Date.parse(text) / 1000

describe('the windows of the calendar, in UTC', () => {
  test.each([
    ['minute', '2026-05-05T12:34:56Z', '2026-05-05T12:34:00Z', '2026-05-05T12:35:00Z'],
    ['hour', '2026-05-05T12:34:56Z', '2026-05-05T12:00:00Z', '2026-05-05T13:00:00Z'],
    ['day', '2026-05-05T12:34:56Z', '2026-05-05T00:00:00Z', '2026-05-06T00:00:00Z'],
    ['month', '2026-12-31T23:59:59Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['month', '2028-02-29T00:00:00Z', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z'],
  ] as const)('a %s around %s', (window, now, startsAt, endsAt) => {
    expect(windowAt(window, at(now))).toEqual({ startsAt: at(startsAt), endsAt: at(endsAt) })
  })
  test('a window’s first second is its own', () => {
    expect(windowAt('minute', at('2026-05-05T12:35:00Z')).startsAt).toBe(at('2026-05-05T12:35:00Z'))
  })
})

test('what each count is of', () => {
  const caller = { subjectId: 'sub_ada', clientId: 'editor', scopes: [] }
  const idPer = (per: 'subject' | 'client' | 'role' | 'resource') =>
    countOf(
      { id: 'q', resourceId: 'r', document: { per, limit: 1, window: 'minute', role: 'x' }, createdAt: 0 },
      caller,
      60,
    ).id
  expect([idPer('subject'), idPer('client'), idPer('role'), idPer('resource')]).toEqual([
    'q:60:sub_ada',
    'q:60:editor',
    'q:60:',
    'q:60:',
  ])
})

test('a quota is for the tools and the role it names', () => {
  const quota = { per: 'subject', limit: 1, window: 'minute', tools: ['a'], role: 'guest' } as const
  expect(applies({ ...quota, tools: ['a'] }, 'a', [{ role: 'guest' }])).toBe(true)
  expect(applies({ ...quota, tools: ['a'] }, 'b', [{ role: 'guest' }])).toBe(false)
  expect(applies({ ...quota, tools: ['a'] }, 'a', [{ role: 'member' }])).toBe(false)
})
