import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type FailingStore, failingStore } from '../support/failing-store.ts'
import { enter, fetchToken, type House, type Room, type Stay, startHouse } from '../support/house.ts'
import { claimsOf, refresh } from '../support/world.ts'

// A refresh takes as long as the provider takes. What became true meanwhile decides, not what was true before.

let house: House
let room: Room
let stay: Stay
let store: FailingStore

const tokenRoute = 'POST /login/oauth/access_token'
const definition = { providers: [{ provider: 'github', scopes: ['repo', 'gist'] }] }

beforeAll(async () => {
  house = await startHouse()
  store = failingStore(house.gateway.running().gateway.store)
})
afterAll(() => house.stop())
let rooms = 0
beforeEach(async () => {
  house.newPerson()
  room = await house.open(`room${++rooms}`, definition)
  stay = await enter(house, room)
  house.clock.advance(8 * 3600)
  expect((await refresh(house, stay.tokens.refresh_token)).status).toBe(200)
})
afterEach(() => {
  store.heal()
  house.github.control.clearScripts()
})

/** Asks for the expired token, and does something while the provider is thinking about the refresh. */
async function whileRefreshing(change: () => Promise<unknown>) {
  const before = house.github.calls(tokenRoute).length
  house.github.control.script({ on: tokenRoute, effect: { kind: 'hold' } })
  const asked = fetchToken(house, room, stay.tsid, 'github')
  await house.github.arrived(tokenRoute, before + 1)
  await change()
  house.github.control.release()
  return await asked
}

const subjectId = () => String(claimsOf(stay.tokens.access_token).sub)

test('nothing of a person disabled meanwhile is released', async () => {
  const { status, body } = await whileRefreshing(() =>
    house.gateway.admin('PATCH', `/subjects/${subjectId()}`, { enabled: false }),
  )
  expect(status).toBe(404)
  expect(body.error_code).toBe('unknown_token_session')
})

test('a person deleted meanwhile has no session any more', async () => {
  const { status, body } = await whileRefreshing(() =>
    house.gateway.admin('DELETE', `/subjects/${subjectId()}`),
  )
  expect(body.error_code).toBe('unknown_token_session')
  expect(status).toBe(404)
})

test('a resource disabled meanwhile gets nothing', async () => {
  const { status } = await whileRefreshing(() =>
    house.gateway.admin('PUT', `/resources/${room.id}`, {
      resource: room.uri,
      name: room.id,
      enabled: false,
      ...definition,
    }),
  )
  expect(status).toBe(404)
})

test('a connection deleted meanwhile takes the session with it', async () => {
  const { items } = await house.gateway.admin<{ items: { id: string }[] }>(
    'GET',
    `/connections?subject_id=${subjectId()}`,
  )
  const { status, body } = await whileRefreshing(() =>
    house.gateway.admin('DELETE', `/connections/${items[0]?.id}`),
  )
  expect(status).toBe(404)
  expect(body.error_code).toBe('unknown_token_session')
})

describe('scopes that an administrator took from the resource meanwhile', () => {
  test('are not released', async () => {
    const { body } = await whileRefreshing(() =>
      house.gateway.admin('PUT', `/resources/${room.id}`, {
        resource: room.uri,
        name: room.id,
        providers: [{ provider: 'github', scopes: ['gist'] }],
      }),
    )
    expect(body).not.toHaveProperty('access_token')
    expect(body.error_code).toBe('not_connected')
  })
})

describe('an answer that grants other scopes than the connection had', () => {
  test('is not released where they go beyond what the resource may have', async () => {
    house.github.control.script({
      on: tokenRoute,
      effect: { kind: 'patch', json: { scope: 'repo,gist,admin:org,read:user,user:email' } },
    })
    const { body } = await fetchToken(house, room, stay.tsid, 'github')
    expect(body).not.toHaveProperty('access_token')
    expect(body.error_code).toBe('provider_misconfigured')
    expect((await fetchToken(house, room, stay.tsid, 'github')).body).toEqual(body)
  })

  test('nor while the store has not taken them yet', async () => {
    house.github.control.script({
      on: tokenRoute,
      effect: { kind: 'patch', json: { scope: 'repo,gist,admin:org,read:user,user:email' } },
    })
    store.arm(['connections.replaceTokens'], 'before')
    const { body } = await fetchToken(house, room, stay.tsid, 'github')
    expect(body).not.toHaveProperty('access_token')
    expect(body.error_code).toBe('not_connected')
  })

  test('is told for what it is where they are fewer', async () => {
    house.github.control.script({
      on: tokenRoute,
      effect: { kind: 'patch', json: { scope: 'gist,read:user,user:email' } },
    })
    const narrowed = await fetchToken(house, room, stay.tsid, 'github')
    expect(narrowed.status).toBe(200)
    expect(narrowed.body.scope).toBe('gist read:user user:email')
    const { body } = await fetchToken(house, room, stay.tsid, 'github', { scope: 'repo' })
    expect(body).toMatchObject({ error_code: 'insufficient_upstream_scope', missing_scopes: ['repo'] })
  })
})
