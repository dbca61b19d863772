import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { watchEventLoop } from '../../src/lib/event-loop.ts'

const loop = watchEventLoop()
afterAll(() => loop.stop())

function stand(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

test('an event loop that stands still is late by as much, until it was asked', async () => {
  await pause(1)
  loop.read()
  for (let turn = 0; turn < 3; turn++) {
    stand(120)
    await pause(1)
  }
  expect(loop.read()).toBeGreaterThan(50)
})

test('it is told without a look as if nothing had happened', () => {
  loop.read()
  expect(loop.read()).toBe(0)
})
