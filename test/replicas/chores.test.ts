import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import type { Chore } from '../../src/storage/chores.ts'
import { enterAging } from '../support/aging.ts'
import { type House, type Room, startHouse } from '../support/house.ts'

// Three gateways look for chores at the very same moments, and what is to be done once is done once.

let house: House
let room: Room
let all: RunningGateway[] = []
const day = 86_400

beforeAll(async () => {
  // Seconds go by when a test says so.
  vi.useFakeTimers({ toFake: ['setInterval'] })
  const lifetimes = { refresh_token: 365 * day, refresh_token_absolute: 730 * day }
  house = await startHouse({ chores: 'all', file: { lifetimes } })
  all = [house.gateway.running(), await house.gateway.replica(), await house.gateway.replica()]
  room = await house.open('room', { providers: [{ provider: 'atlassian', scopes: ['read:jira-work'] }] })
  await lookUntil(() => [...everyFewMinutes].every((name) => rows.get(name)?.doneAt))
})
afterAll(async () => {
  vi.useRealTimers()
  await Promise.all(all.slice(1).map((each) => each.stop()))
  await house.stop()
})
afterEach(() => house.atlassian.control.clearScripts())

const everyFewMinutes = ['sweep', 'audit_retention', 'probing', 'keep_alive']
let rows: Map<string, Chore>

/** A second goes by at all three, and what it began ends. */
async function look(): Promise<void> {
  vi.advanceTimersByTime(1_000)
  // Every gateway answers after what it wrote before.
  for (let times = 0; times < 2; times++) await Promise.all(all.map(({ gateway }) => gateway.ready()))
  rows = new Map((await all[0]?.gateway.store.chores.list())?.map((row) => [row.name, row]))
}

async function lookUntil(isSo: () => boolean): Promise<void> {
  do await look()
  while (!isSo())
}

const turnsSoFar = () => new Map([...rows].map(([name, { fence }]) => [name, fence]))

test('each that comes up has one turn, however often all three look', async () => {
  const before = turnsSoFar()
  house.clock.advance(600)
  await lookUntil(() =>
    everyFewMinutes.every((name) => (rows.get(name)?.doneAt ?? 0) > house.clock.now() - 60),
  )
  for (let looks = 0; looks < 20; looks++) await look()
  const turns = everyFewMinutes.map((name) => (rows.get(name)?.fence ?? 0) - (before.get(name) ?? 0))
  expect(turns).toEqual([1, 1, 1, 1])
  expect([...rows.values()].map(({ holder }) => holder)).toEqual([...rows].map(() => null))
})

test('a new gateway does not sweep because it is new', async () => {
  const before = turnsSoFar()
  house.clock.advance(200)
  const fourth = await house.gateway.replica()
  for (let looks = 0; looks < 5; looks++) await look()
  expect(turnsSoFar().get('sweep')).toBe(before.get('sweep'))
  await fourth.stop()
})

test('a connection that nobody used is touched once', async () => {
  const route = 'POST /oauth/token'
  house.newPerson()
  await enterAging(house, room, 'atlassian')
  const before = house.atlassian.calls(route).length
  house.clock.advance(61 * day)
  await lookUntil(() => house.atlassian.calls(route).length > before)
  for (let looks = 0; looks < 10; looks++) await look()
  expect(house.atlassian.calls(route)).toHaveLength(before + 1)
})

test('what a provider was not told yet it is told once', async () => {
  const route = 'POST /oauth/revoke'
  house.newPerson()
  const session = await enterAging(house, room, 'atlassian')
  expect((await session.fetch()).status).toBe(200)
  house.atlassian.control.script({ on: route, effect: { kind: 'respond', status: 503, body: 'no' } })
  const { items } = await house.gateway.admin<{ items: { id: string }[] }>('GET', '/connections?limit=1')
  const before = house.atlassian.calls(route).length
  await house.gateway.admin('DELETE', `/connections/${items[0]?.id}`)
  expect(house.atlassian.calls(route)).toHaveLength(before + 1)
  house.clock.advance(60)
  await lookUntil(() => house.atlassian.calls(route).length > before + 1)
  for (let looks = 0; looks < 10; looks++) await look()
  expect(house.atlassian.calls(route)).toHaveLength(before + 2)
})

test('what a dead process held is taken over once nobody saw a sign of life for five looks, by one', async () => {
  const { chores } = house.gateway.running().gateway.store
  const seen = rows.get('sweep')
  const lease = await chores.take('sweep', seen, 'a process that died')
  expect(lease).toBeDefined()
  house.clock.advance(3_600)
  for (let looks = 0; looks < 5; looks++) await look()
  expect(rows.get('sweep')).toMatchObject({ holder: 'a process that died', fence: lease?.fence })
  await lookUntil(() => rows.get('sweep')?.holder === null)
  for (let looks = 0; looks < 5; looks++) await look()
  expect(rows.get('sweep')?.fence).toBe((lease?.fence ?? 0) + 1)
})
