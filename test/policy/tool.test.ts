import { describe, expect, test } from 'vitest'
import { missingScopes, publishedHash, toolRuleSchema } from '../../src/policy/tool.ts'

const published = { name: 'a', description: 'Reads', input_schema: { type: 'object', properties: {} } }

test('what a review is of does not depend on the order of members, nor on suggestions', () => {
  const again = { input_schema: { properties: {}, type: 'object' }, description: 'Reads', name: 'a' }
  expect(publishedHash(again)).toBe(publishedHash(published))
  expect(publishedHash({ ...published, suggested_scopes: ['x'] })).toBe(publishedHash(published))
})

test.each([
  { ...published, description: 'Deletes' },
  { ...published, title: 'A' },
  { ...published, annotations: { destructiveHint: true } },
  { ...published, input_schema: { type: 'object', properties: { force: {} } } },
])('a changed tool is another one to review', (changed) => {
  expect(publishedHash(changed)).not.toBe(publishedHash(published))
})

test('scopes that are missing', () => {
  const any = { access: 'scopes', scopes: ['a', 'b'], match: 'any' } as const
  const all = { ...any, scopes: ['a', 'b'], match: 'all' } as const
  expect(missingScopes({ ...any, scopes: ['a', 'b'] }, new Set(['b']))).toEqual([])
  expect(missingScopes({ ...any, scopes: ['a', 'b'] }, new Set())).toEqual(['a', 'b'])
  expect(missingScopes({ ...all, scopes: ['a', 'b'] }, new Set(['b']))).toEqual(['a'])
})

describe('rules that are refused', () => {
  test.each<[unknown]>([
    [{}],
    [{ access: 'scopes', scopes: [] }],
    [{ access: 'public', scopes: ['a'] }],
    [{ scopes: ['a b'] }],
    [{ scopes: ['a'], step_up: {} }],
    [{ scopes: ['a'], mfa: true }],
  ])('%j', (rule) => {
    expect(toolRuleSchema.safeParse(rule).success).toBe(false)
  })
})
