import { expect, test } from 'vitest'
import { createHeadroom } from '../../src/lib/headroom.ts'

test('as many take a place as a count found, for ten seconds, and then somebody counts again', () => {
  let now = 100
  const headroom = createHeadroom(() => now)
  expect(headroom.take('chairs')).toBe(false)
  headroom.note('chairs', 3)
  expect([1, 2, 3, 4].map(() => headroom.take('chairs'))).toEqual([true, true, true, false])
  expect(headroom.take('tables')).toBe(false)
  headroom.note('chairs', 3)
  now += 9
  expect(headroom.take('chairs')).toBe(true)
  now += 1
  expect(headroom.take('chairs')).toBe(false)
})
