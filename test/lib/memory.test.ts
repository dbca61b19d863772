import { expect, test } from 'vitest'
import { createMemory } from '../../src/lib/memory.ts'

test('what was noted is known for a while, and for no longer where the clock was put back', () => {
  let now = 1_000_000
  const memory = createMemory({ lifetime: 60 }, () => now, 2)
  memory.note('one')
  now += 59
  expect(memory.knows('one')).toBe(true)
  now += 1
  expect(memory.knows('one')).toBe(false)
  memory.note('two')
  now -= 86_400
  expect(memory.knows('two')).toBe(false)
})

test('the one that was noted longest ago makes room', () => {
  const memory = createMemory({ lifetime: 60 }, () => 0, 2)
  for (const key of ['one', 'two', 'one', 'three']) memory.note(key)
  expect(['one', 'two', 'three'].map(memory.knows)).toEqual([true, false, true])
})
