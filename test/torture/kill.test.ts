import { expect, test } from 'vitest'
import { randomFrom } from '../support/random.ts'
import { kill } from './scenarios/kill.ts'

test('one kill under mixed load loses nothing that was acknowledged', async () => {
  const wrong: string[] = []
  const next = randomFrom(1)
  await kill.run({
    rounds: 1,
    random: () => next(1_000_000) / 1_000_000,
    report: {
      // How long a start takes on a busy machine is no fault.
      check: (isGood, words) => void (isGood || words.startsWith('from the start') || wrong.push(words)),
      note: () => {},
      skip: (words) => wrong.push(words),
    },
  })
  expect(wrong).toEqual([])
})
