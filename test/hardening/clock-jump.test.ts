import { expect, test } from 'vitest'
import type { SharedChore, Turn } from '../../src/chores/turns.ts'
import { enterAging } from '../support/aging.ts'
import { type House, startHouse } from '../support/house.ts'
import { notesDefinition } from '../support/notes.ts'
import { refresh } from '../support/world.ts'

const year = 365 * 86_400

/** A house whose sweeps take place when they are told to. */
async function startSwept(): Promise<{ house: House; sweep: () => Promise<void> }> {
  let sweeping: SharedChore | undefined
  const house = await startHouse({
    chores: ({ shared }) => {
      sweeping = shared.find(({ name }) => name === 'sweep')
      return { own: [], shared: [] }
    },
  })
  const turn: Turn = { name: 'sweep', fence: 1, signal: new AbortController().signal }
  return { house, sweep: async () => await sweeping?.work(turn) }
}

test('a clock that jumps a year ahead and is set right within the hour ends nobody’s session', async () => {
  const { house, sweep } = await startSwept()
  try {
    const room = await house.open('notes', notesDefinition)
    house.newPerson()
    const session = await enterAging(house, room, 'github')
    for (let turns = 0; turns < 20; turns++) await sweep()
    house.clock.advance(year)
    for (let turns = 0; turns < 12; turns++) await sweep()
    expect((await session.fetch()).status).toBe(404)
    house.clock.advance(-year)
    expect((await session.fetch()).status).toBe(200)
    expect((await refresh(house, session.tokens.refresh_token)).status).toBe(200)
  } finally {
    await house.stop()
  }
})
