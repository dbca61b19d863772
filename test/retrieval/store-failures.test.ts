import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { enterAging, type Session } from '../support/aging.ts'
import { accessTokenType, exchangeGrant } from '../support/faces.ts'
import {
  expectUnavailable,
  type FailingStore,
  failingStore,
  forEveryFailure,
} from '../support/failing-store.ts'
import { type House, type Room, startHouse } from '../support/house.ts'
import { basic, postToken } from '../support/world.ts'

// No token leaves unrecorded, none is lost, and nobody is told that a connection is dead because the store is.

let house: House
let room: Room
let session: Session
let store: FailingStore

const tokenRoute = 'POST /login/oauth/access_token'
const lifetime = 28_800

beforeAll(async () => {
  house = await startHouse({ chores: 'none' })
  room = await house.open('room', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  house.newPerson()
  session = await enterAging(house, room, 'github')
  store = failingStore(house.gateway.running().gateway.store)
})
afterAll(() => house.stop())
afterEach(() => store.heal())

const headers = () => ({ authorization: basic(room.credential) })
const rest = () =>
  fetch(`${house.gateway.issuer}/v1/token-sessions/${session.tsid}/tokens/github`, { headers: headers() })
const exchange = (userToken: string) =>
  postToken(
    house,
    {
      grant_type: exchangeGrant,
      subject_token: userToken,
      subject_token_type: accessTokenType,
      provider: 'github',
    },
    headers(),
  )

async function releases(): Promise<number> {
  const { items } = await house.gateway.admin<{ items: unknown[] }>(
    'GET',
    '/audit-events?event=upstream_token.released&limit=200',
  )
  return items.length
}

describe('retrieval while one call of the store fails', () => {
  test('answers 503 and no token, and works as soon as the store does', async () => {
    const seen = await forEveryFailure(
      { store, clock: house.clock },
      async () => rest,
      async (response, failed, again) => {
        await expectUnavailable(response, failed)
        expect((await again()).status).toBe(200)
      },
    )
    expect(seen).toEqual(
      expect.arrayContaining([
        'resources.findCredential',
        'grants.findByTsid',
        'connections.listForGrant',
        'grants.recordRelease',
      ]),
    )
  })

  test('answers 503 and no token at the token endpoint, too', async () => {
    await session.age(0)
    const { tokens } = await enterAging(house, room, 'github', { browser: session.browser })
    await forEveryFailure(
      { store, clock: house.clock },
      async () => () => exchange(tokens.access_token),
      async (response, failed, again) => {
        await expectUnavailable(response, failed)
        expect((await again()).status).toBe(200)
      },
    )
  })

  test('with a refresh in it answers 503, loses no rotated token, and asks the provider once (FC-12)', async () => {
    const seen = await forEveryFailure(
      { store, clock: house.clock },
      async () => {
        await session.age(lifetime + 1)
        return rest
      },
      async (response, failed, again) => {
        // One of the two is enough to lose nothing.
        const isStored = ['refreshLeases.keepAnswer', 'connections.replaceTokens'].includes(failed.name)
        if (isStored) expect({ ...failed, status: response.status }).toEqual({ ...failed, status: 200 })
        else await expectUnavailable(response, failed)
        const second = await again()
        expect({ ...failed, status: second.status }).toEqual({ ...failed, status: 200 })
      },
    )
    expect(seen).toEqual(expect.arrayContaining(['connections.find', 'connections.replaceTokens']))
    // One for each time the token had ended, the last rounds without a failure included.
    const refreshes = house.github
      .calls(tokenRoute)
      .filter(({ body }) => (body as Record<string, unknown>).grant_type === 'refresh_token')
    expect(refreshes).toHaveLength(seen.length + 2)
  })

  test('of a dead grant never calls a live one dead', async () => {
    house.newPerson()
    const doomed = await enterAging(house, room, 'github')
    await doomed.age(lifetime + 1)
    house.github.control.script({
      on: tokenRoute,
      times: 'always',
      effect: { kind: 'respond', status: 200, body: { error: 'bad_refresh_token' } },
    })
    const seen = await forEveryFailure(
      { store, clock: house.clock },
      async () => () =>
        fetch(`${house.gateway.issuer}/v1/token-sessions/${doomed.tsid}/tokens/github`, {
          headers: headers(),
        }),
      async (response, failed) => await expectUnavailable(response, failed),
    )
    house.github.control.clearScripts()
    expect(seen).toContain('connections.markDead')
    // Longer than a link lives that was offered before.
    await doomed.age(601)
    store.arm(['connectLinks.create'], 'before')
    expect((await doomed.fetch()).status).toBe(503)
    store.heal()
    expect((await doomed.fetch()).status).toBe(424)
  })
})

test('an answer that is given was recorded, one that was not may be: never the other way round', async () => {
  await session.age(0)
  const before = await releases()
  store.arm(['grants.recordRelease'], 'before')
  expect((await rest()).status).toBe(503)
  store.heal()
  expect(await releases()).toBe(before)
  store.arm(['grants.recordRelease'], 'after')
  expect((await rest()).status).toBe(503)
  store.heal()
  expect(await releases()).toBe(before + 1)
  expect((await rest()).status).toBe(200)
  expect(await releases()).toBe(before + 2)
})

test('a store that holds everybody up for a moment costs a moment', async () => {
  await session.age(0)
  const release = await house.gateway.database.holdWrites()
  const waiting = [rest(), rest()]
  // Whoever needs no write is answered meanwhile.
  const health = await fetch(`${house.gateway.issuer}/healthz`)
  expect(health.status).toBe(200)
  await release()
  for (const response of await Promise.all(waiting)) expect(response.status).toBe(200)
})
