import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { followLink, requestLink } from '../support/connecting.ts'
import { enter, fetchToken, type House, type Room, type Stay, startHouse } from '../support/house.ts'
import { newBrowser } from '../support/world.ts'

// A refusal that the person can mend carries a link. Whoever asks in a loop meanwhile gets the same one, and fills
// neither the database nor the audit log.

let house: House
let room: Room
let stay: Stay

let rooms = 0
beforeAll(async () => {
  house = await startHouse()
})
afterAll(() => house.stop())
beforeEach(async () => {
  house.newPerson()
  room = await house.open(`room${++rooms}`, { providers: [{ provider: 'github', scopes: ['gist'] }] })
  stay = await enter(house, room, { browser: newBrowser() })
  await house.gateway.admin('PUT', `/resources/${room.id}`, {
    resource: room.uri,
    name: room.id,
    providers: [{ provider: 'github', scopes: ['gist', 'repo', 'read:org'] }],
  })
})

const ask = (scope = 'repo', tsid = stay.tsid) => fetchToken(house, room, tsid, 'github', { scope })
const linkOf = async (scope?: string, tsid?: string) => String((await ask(scope, tsid)).body.connect_url)

async function made(): Promise<number> {
  const { items } = await house.gateway.admin<{ items: unknown[] }>(
    'GET',
    '/audit-events?event=connect_link.created&limit=200',
  )
  return items.length
}

test('a hundred refusals in a row carry one link', async () => {
  const before = await made()
  const links = new Set<string>()
  for (let count = 0; count < 100; count++) links.add(await linkOf())
  expect(links.size).toBe(1)
  expect(await made()).toBe(before + 1)
})

test('fifty at the same moment carry one link', async () => {
  const before = await made()
  const links = await Promise.all(Array.from({ length: 50 }, () => linkOf()))
  expect(new Set(links).size).toBe(1)
  expect(await made()).toBe(before + 1)
})

test('another wish, another session and a link asked for on purpose are links of their own', async () => {
  const second = await enter(house, room, { browser: stay.browser })
  const links = [await linkOf(), await linkOf('read:org'), await linkOf('repo', second.tsid)]
  links.push((await requestLink(house, room, stay.tsid, { scope: 'repo' })).connect_url)
  links.push((await requestLink(house, room, stay.tsid, { scope: 'repo' })).connect_url)
  expect(new Set(links).size).toBe(5)
})

test('a link that was followed is not offered again', async () => {
  const first = await linkOf()
  await stay.browser.walk(first, ['continue'])
  expect(await linkOf('read:org')).not.toBe(first)
  const mended = await linkOf('repo')
  expect(mended).not.toBe(first)
})

test('a link is offered while it has half its life before it', async () => {
  const first = await linkOf()
  house.clock.advance(299)
  expect(await linkOf()).toBe(first)
  house.clock.advance(2)
  const second = await linkOf()
  expect(second).not.toBe(first)
  await followLink(stay, { connect_url: second })
  expect((await ask('repo gist')).status).toBe(200)
})

test('a link that is gone from the database is not offered', async () => {
  const first = await linkOf()
  const { connectLinks } = house.gateway.running().gateway.store
  const { find } = connectLinks
  connectLinks.find = async () => undefined
  expect(await linkOf()).not.toBe(first)
  connectLinks.find = find
})
