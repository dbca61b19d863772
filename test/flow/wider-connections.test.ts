import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { enter, fetchToken, type House, type Person, type Room, startHouse, visit } from '../support/house.ts'
import { callbackOf } from '../support/page.ts'
import { newBrowser } from '../support/world.ts'

// Promise 1: whatever a connection holds, identity aside, is allowed to the resource that gets it.

let house: House
let wide: Room
let narrow: Room
let ada: Person

beforeAll(async () => {
  house = await startHouse()
  wide = await house.open('wide', { providers: [{ provider: 'github', scopes: ['repo', 'gist'] }] })
  narrow = await house.open('narrow', { providers: [{ provider: 'github', scopes: ['public_repo'] }] })
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
})

/** The scopes GitHub itself says a token has. */
async function scopesAtGithub(token: unknown): Promise<string[]> {
  const response = await fetch(`${house.github.api}/user`, {
    headers: { authorization: `Bearer ${token}`, 'user-agent': 'test' },
  })
  expect(response.status).toBe(200)
  return (response.headers.get('x-oauth-scopes') ?? '').split(', ').sort()
}

async function connectionsOf(person: Person): Promise<{ id: string; scopes: string[] }[]> {
  const people = await house.gateway.admin<{ items: { id: string }[] }>(
    'GET',
    `/subjects?label=${person.github}`,
  )
  const { items } = await house.gateway.admin<{ items: { id: string; scopes: string[] }[] }>(
    'GET',
    `/connections?subject_id=${people.items[0]?.id}`,
  )
  return items
}

const identity = ['read:user', 'user:email']

test('a wider connection is not used for a narrower resource, which gets one of its own', async () => {
  const browser = newBrowser()
  const first = await enter(house, wide, { browser })
  const trips = house.trips().github
  const second = await enter(house, narrow, { browser })
  expect(house.trips().github).toBe(trips + 1)

  const wideToken = (await fetchToken(house, wide, first.tsid, 'github')).body.access_token
  const narrowToken = (await fetchToken(house, narrow, second.tsid, 'github')).body.access_token
  expect(await scopesAtGithub(wideToken)).toEqual(['gist', ...identity, 'repo'].sort())
  expect(await scopesAtGithub(narrowToken)).toEqual(['public_repo', ...identity])
  expect((await connectionsOf(ada)).map(({ scopes }) => scopes.length).sort()).toEqual([3, 4])
})

test('a narrower connection does not serve a wider resource, and stays as it was beside the new one', async () => {
  const browser = newBrowser()
  const first = await enter(house, narrow, { browser })
  const before = await connectionsOf(ada)
  await enter(house, wide, { browser })
  expect(await connectionsOf(ada)).toEqual(expect.arrayContaining(before))
  const { body } = await fetchToken(house, narrow, first.tsid, 'github')
  expect(await scopesAtGithub(body.access_token)).toEqual(['public_repo', ...identity])
})

test('equal rights share one connection, and no provider is asked twice', async () => {
  const twin = await house.open('twin', { providers: [{ provider: 'github', scopes: ['gist', 'repo'] }] })
  const browser = newBrowser()
  await enter(house, wide, { browser })
  const trips = house.trips().github
  const { tsid } = await enter(house, twin, { browser })
  expect(house.trips().github).toBe(trips)
  expect((await fetchToken(house, twin, tsid, 'github')).status).toBe(200)
  expect(await connectionsOf(ada)).toHaveLength(1)
})

test('what an administrator takes from a resource is not released to its sessions any more', async () => {
  const room = await house.open('shrinking', {
    providers: [{ provider: 'github', scopes: ['repo', 'gist'] }],
  })
  const { tsid, browser } = await enter(house, room)
  expect((await fetchToken(house, room, tsid, 'github')).status).toBe(200)
  await house.gateway.admin('PUT', '/resources/shrinking', {
    resource: room.uri,
    name: 'shrinking',
    providers: [{ provider: 'github', scopes: ['gist'] }],
  })
  expect((await fetchToken(house, room, tsid, 'github')).body.error_code).toBe('not_connected')
  expect((await fetchToken(house, room, tsid, 'github', { scope: 'repo' })).body.error_code).toBe(
    'not_allowed',
  )
  const trips = house.trips().github
  const { stop } = await visit(house, room, { browser })
  expect(callbackOf(stop)).toHaveProperty('code')
  expect(house.trips().github).toBe(trips + 1)
})

test('a provider’s own limit narrows what every resource may have of it', async () => {
  const room = await house.open('limited', { providers: [{ provider: 'github', scopes: ['repo', 'gist'] }] })
  const { tsid } = await enter(house, room)
  const before = await house.gateway.admin('GET', '/providers/github')
  const definition = {
    descriptor: 'github',
    variables: { web: house.github.web, api: house.github.api },
    client_id: before.client_id,
    admit: 'anyone',
  }
  await house.gateway.admin('PUT', '/providers/github', { ...definition, scopes: ['gist', 'public_repo'] })
  expect((await fetchToken(house, room, tsid, 'github')).body.error_code).toBe('not_connected')
  await house.gateway.admin('PUT', '/providers/github', definition)
  expect((await fetchToken(house, room, tsid, 'github')).status).toBe(200)
})

test('another resource is not given a token by a session that is not its own', async () => {
  const { tsid } = await enter(house, wide)
  expect((await fetchToken(house, narrow, tsid, 'github')).body.error_code).toBe('unknown_token_session')
})
