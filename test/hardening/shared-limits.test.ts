import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { createFlood, type Flood, pathOf, registration, thisMachine, withStatus } from '../support/flood.ts'
import { createStillClock } from '../support/gateway.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import { authorizeUrl, newPkce, signIn } from '../support/world.ts'

// Two gateways over one database are one to whoever floods them, and to who was here before.

const limits = { registrations_per_address: 20, authorizations_per_client: 30 }

let notes: Notes
let replica: RunningGateway
let here: Flood
let there: Flood

beforeAll(async () => {
  const env = () => ({ COATCHECK_TRUSTED_PROXIES: thisMachine })
  notes = await startNotes({ clock: createStillClock(), env, file: { limits } })
  replica = await notes.gateway.replica()
  here = createFlood(notes.gateway.running().url)
  there = createFlood(replica.url)
})
afterAll(async () => {
  here.stop()
  there.stop()
  await replica.stop()
  await notes.stop()
})

async function share(): Promise<void> {
  // A turn that was under way may have begun before what it is to tell of.
  for (let turn = 0; turn < 2; turn++) {
    for (const { gateway } of [notes.gateway.running(), replica]) await gateway.shareLimits()
  }
}

const times = (count: number, from: string) => Array.from({ length: count }, () => from)

test('what somebody did at one of them they did at the other, and nobody else did', async () => {
  const flooded = await here.from(times(15, '198.51.100.1'), registration)
  expect(withStatus(flooded, 201)).toHaveLength(15)
  await share()
  const more = await there.from(times(15, '198.51.100.1'), registration)
  expect(withStatus(more, 201)).toHaveLength(5)
  expect(Math.max(...withStatus(more, 429).map(({ wait }) => wait))).toBe(3)
  expect((await there.forwarded(registration('198.51.100.2'))).status).toBe(201)
})

test('who signed in at one of them is kept a place at the other', async () => {
  const { rates, clock } = replica.gateway
  await signIn(notes)
  await share()
  while (rates.authorizations_per_client.take(notes.clientId, clock()) === 0);
  const begin = (from: string) => ({ path: pathOf(authorizeUrl(notes, newPkce().challenge)), from })
  expect((await there.forwarded(begin('198.51.100.3'))).status).toBe(429)
  expect((await there.forwarded(begin('127.0.0.1'))).status).toBe(303)
})

test('no address is in the database', async () => {
  await share()
  const { store, clock } = replica.gateway
  const levels = await store.rateLevels.changedSince(0, clock(), 100)
  expect(levels.map(({ rate }) => rate)).toContain('registrations_per_address')
  const places = await store.signInPlaces.since(0, clock(), 100)
  expect(places).toHaveLength(1)
  expect(JSON.stringify([levels, places])).not.toMatch(/198\.51\.100|127\.0\.0\.1/)
})
