import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askExchange } from '../support/faces.ts'
import { enter, fetchToken, type House, type Room, startHouse } from '../support/house.ts'
import { randomFrom } from '../support/random.ts'
import { introspect, refresh, type Tokens } from '../support/world.ts'

// Whatever is asked of three gateways at the same time, in whatever order, is answered as one gateway would.

const seeds = process.env.TEST_SEED
  ? [Number(process.env.TEST_SEED)]
  : Array.from({ length: 12 }, () => randomInt(2 ** 31))

let house: House
let room: Room
beforeAll(async () => {
  house = await startHouse({ spread: { over: 3, seed: seeds[0] ?? 0 } })
  room = await house.open('notes', { providers: [{ provider: 'github', scopes: ['repo'] }] })
})
afterAll(() => house.stop())

/** What one session has to be like, whoever is asked about it. */
type Guest = { tokens: Tokens; tsid: string; hasEnded: boolean }

const isActive = async ({ tokens }: Guest) =>
  (await introspect({ gateway: house.gateway, credential: room.credential }, tokens.access_token)).active

const actions: ((guest: Guest) => Promise<void>)[] = [
  async (guest) => {
    const answer = await refresh(house, guest.tokens.refresh_token)
    expect(answer.status).toBe(guest.hasEnded ? 400 : 200)
    if (answer.ok) guest.tokens = (await answer.json()) as Tokens
  },
  // A client that lost the answer, and tries again while it comes.
  async (guest) => {
    const answers = await Promise.all([1, 2].map(() => refresh(house, guest.tokens.refresh_token)))
    expect(answers.map(({ status }) => status)).toEqual(guest.hasEnded ? [400, 400] : [200, 200])
    if (guest.hasEnded) return
    const [first, second] = (await Promise.all(answers.map((each) => each.json()))) as Tokens[]
    expect(second?.refresh_token).toBe(first?.refresh_token)
    if (first) guest.tokens = first
  },
  async (guest) => {
    const { status } = await fetchToken(house, room, guest.tsid, 'github')
    expect(status).toBe(guest.hasEnded ? 404 : 200)
  },
  async ({ tokens, tsid, hasEnded }) => {
    const ask = { credential: room.credential, tsid, userToken: tokens.access_token, provider: 'github' }
    expect((await askExchange(house.gateway, ask)).status).toBe(hasEnded ? 400 : 200)
  },
  async (guest) => expect(await isActive(guest)).toBe(!guest.hasEnded),
  async (guest) => {
    const body = new URLSearchParams({ client_id: house.clientId, token: guest.tokens.refresh_token })
    expect((await fetch(`${house.gateway.url}/oauth/revoke`, { method: 'POST', body })).status).toBe(200)
    guest.hasEnded = true
  },
]

test.each(seeds)('three sessions at once, each in an order of its own (seed %i)', async (seed) => {
  const below = randomFrom(seed)
  const guests: Guest[] = []
  for (let count = 0; count < 3; count++) {
    house.newPerson()
    guests.push({ ...(await enter(house, room)), hasEnded: false })
  }
  const plans = guests.map(() => Array.from({ length: 7 }, () => actions[below(actions.length)]))
  await Promise.all(
    guests.map(async (guest, index) => {
      for (const act of plans[index] ?? []) await act?.(guest)
    }),
  )
  for (const guest of guests) expect(await isActive(guest)).toBe(!guest.hasEnded)
})
