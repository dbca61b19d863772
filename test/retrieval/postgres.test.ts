import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { enterAging, type Session } from '../support/aging.ts'
import { failingStore } from '../support/failing-store.ts'
import { fetchToken, type House, type Room, startHouse } from '../support/house.ts'
import { startPostgres, type TestServer } from '../support/postgres.ts'

// Promise 5 on the database that does many things at once: one refresh at the provider, whoever asks and where.

let server: TestServer
let house: House
let other: RunningGateway
let room: Room
let session: Session

const route = 'POST /login/oauth/access_token'
const lifetime = 28_800
const tooLong = 60

beforeAll(async () => {
  server = await startPostgres()
  const url = await server.createDatabase()
  const limits = { upstream_deadline: 1, discovery_deadline: 1 }
  house = await startHouse({ env: () => ({ COATCHECK_DATABASE_URL: url }), file: { limits } })
  other = await house.gateway.replica()
  room = await house.open('room', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  house.newPerson()
  session = await enterAging(house, room, 'github')
})
afterAll(async () => {
  await other.stop()
  await house.stop()
  await server.stop()
})

const calls = () => house.github.calls(route).length
const fetchBeside = () =>
  fetchToken({ ...house, gateway: { ...house.gateway, url: other.url } }, room, session.tsid, 'github')

describe('fifty who ask at the same moment', () => {
  test.each([
    ['one gateway', () => Array.from({ length: 50 }, () => session.fetch())],
    [
      'two gateways',
      () => Array.from({ length: 50 }, (_, nth) => (nth % 2 ? session.fetch() : fetchBeside())),
    ],
  ])('%s cost one refresh, and all get its token', async (_where, ask) => {
    for (let round = 0; round < 2; round++) {
      await session.age(lifetime + 1)
      const before = calls()
      const answers = await Promise.all(ask())
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      expect(new Set(answers.map(({ body }) => body.access_token)).size).toBe(1)
      expect(calls()).toBe(before + 1)
    }
  })
})

test('an answer nobody waited for is kept, and its lease with it', async () => {
  await session.age(lifetime + 1)
  const before = calls()
  house.github.control.script({ on: route, effect: { kind: 'hold' } })
  expect((await session.fetch()).body.error_code).toBe('upstream_unavailable')
  const { tendRefreshes, readings } = house.gateway.running().gateway
  house.clock.advance(tooLong)
  await tendRefreshes()
  expect((await fetchBeside()).body.error_code).toBe('upstream_unavailable')
  house.github.control.release()
  const late = async () => {
    const { refreshLeases } = await readings()
    return refreshLeases.find(({ labels }) => labels.state === 'late')?.value
  }
  while ((await late()) !== 0) await fetch(`${house.gateway.url}/healthz`)
  expect((await fetchBeside()).status).toBe(200)
  expect(calls()).toBe(before + 1)
})

test('tokens the store took in no form are there before another gateway asks for them', async () => {
  await session.age(lifetime + 1)
  const before = calls()
  const store = failingStore(house.gateway.running().gateway.store)
  store.arm(['refreshLeases.keepAnswer', 'connections.replaceTokens'], 'before')
  expect((await session.fetch()).body.error_code).toBe('gateway_unavailable')
  house.clock.advance(tooLong)
  const asked = fetchBeside()
  store.heal()
  await house.gateway.running().gateway.tendRefreshes()
  expect((await asked).status).toBe(200)
  expect(calls()).toBe(before + 1)
})
