import { expect, test } from 'vitest'
import { createPace } from '../../src/workers/pace.ts'

const old = 60_000

test('a worker that ran is followed at once, however often', () => {
  const { pauseAfter } = createPace()
  expect([old, old, old].map(pauseAfter)).toEqual([0, 0, 0])
})

test('of those that die young the first is followed at once, and the others after ever longer, to half a minute', () => {
  const { pauseAfter } = createPace()
  const seconds = Array.from({ length: 9 }, () => pauseAfter(100) / 1000)
  expect(seconds).toEqual([0, 1, 2, 4, 8, 16, 30, 30, 30])
})

test('one that ran makes up for those before it', () => {
  const { pauseAfter } = createPace()
  expect([0, 0, 0, old, 0, 0].map(pauseAfter)).toEqual([0, 1000, 2000, 0, 0, 1000])
})
