import { beforeEach, expect, test } from 'vitest'
import { type Pulse, watchPulse } from '../../src/workers/pulse.ts'

// A worker that stands still is no worker, and does not end by itself; nobody waits five seconds for these.

let look: (() => void) | undefined
let silences: number
let pulse: Pulse

beforeEach(() => {
  silences = 0
  const eachLook = (each: () => void) => {
    look = each
    return () => {
      look = undefined
    }
  }
  pulse = watchPulse(() => {
    silences += 1
  }, eachLook)
})

const lookTimes = (count: number) => {
  for (let times = 0; times < count; times++) look?.()
}

test('a worker that says nothing for a minute is given up, once', () => {
  lookTimes(11)
  expect(silences).toBe(0)
  lookTimes(20)
  expect(silences).toBe(1)
})

test('one that says something now and then is not', () => {
  for (let hours = 0; hours < 100; hours++) {
    lookTimes(11)
    pulse.heard()
  }
  expect(silences).toBe(0)
})

test('of one that ended nobody expects a word', () => {
  pulse.end()
  lookTimes(100)
  expect(silences).toBe(0)
})
