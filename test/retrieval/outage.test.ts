import { afterAll, beforeAll, expect, test } from 'vitest'
import { enterAging, type Session } from '../support/aging.ts'
import { type House, startHouse } from '../support/house.ts'

// Promise 6: ten minutes without a provider cost nobody anything, and its return is no stampede.

let house: House
const route = 'POST /oauth/token'
const lifetime = 3600

beforeAll(async () => {
  house = await startHouse()
})
afterAll(() => house.stop())

const calls = () => house.atlassian.calls(route).length

async function enterMany(room: Awaited<ReturnType<House['open']>>, many: number): Promise<Session[]> {
  const sessions: Session[] = []
  for (let count = 0; count < many; count++) {
    house.newPerson()
    sessions.push(await enterAging(house, room, 'atlassian'))
  }
  return sessions
}

const statuses = async (sessions: Session[]) =>
  new Set((await Promise.all(sessions.map((session) => session.fetch()))).map(({ status }) => status))

test('an outage of ten minutes: what lives is served, nothing dies, and the return is paced', async () => {
  const room = await house.open('room', {
    providers: [{ provider: 'atlassian', scopes: ['read:jira-work'] }],
  })
  const early = await enterMany(room, 6)
  for (const session of early) await session.age(0)
  house.clock.advance(lifetime - 900)
  const late = await enterMany(room, 4)
  house.clock.advance(901)
  for (const session of early) await session.age(0)

  house.atlassian.control.script({
    on: route,
    times: 'always',
    effect: { kind: 'respond', status: 503, body: 'down' },
  })
  const before = calls()
  for (let minute = 0; minute < 10; minute++) {
    house.clock.advance(60)
    expect(await statuses(early)).toEqual(new Set([503]))
    expect(await statuses(late)).toEqual(new Set([200]))
  }
  // One who finds out a minute, after the first.
  expect(calls() - before).toBeLessThan(25)
  type Connections = { items: { status: string }[] }
  const { items } = await house.gateway.admin<Connections>('GET', '/connections')
  expect(items.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 'live'))

  house.atlassian.control.clearScripts()
  house.clock.advance(61)
  const returned = calls()
  house.atlassian.control.script({ on: route, effect: { kind: 'hold' } })
  const asked = statuses(early)
  await house.atlassian.arrived(route, returned + 1)
  for (let count = 0; count < 20; count++) await fetch(`${house.gateway.url}/healthz`)
  expect(calls()).toBe(returned + 1)
  house.atlassian.control.release()
  expect(await asked).toEqual(new Set([200]))
  expect(calls()).toBe(returned + early.length)
})
