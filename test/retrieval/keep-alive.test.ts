import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import type { RunningGateway } from '../../src/main.ts'
import type { KeptAlive } from '../../src/upstream/keep-alive.ts'
import { enterAging, type Session } from '../support/aging.ts'
import { type House, type Room, startHouse } from '../support/house.ts'

// What ends when nobody uses it lives for as long as a session wants it, and what nobody wants is left to its end.

let house: House
let other: RunningGateway
let room: Room

const route = 'POST /oauth/token'
const day = 86_400

beforeAll(async () => {
  const lifetimes = { refresh_token: 365 * day, refresh_token_absolute: 730 * day }
  house = await startHouse({ file: { lifetimes } })
  other = await house.gateway.replica()
  room = await house.open('room', { providers: [{ provider: 'atlassian', scopes: ['read:jira-work'] }] })
})
afterAll(async () => {
  await other.stop()
  await house.stop()
})
afterEach(async () => {
  house.atlassian.control.clearScripts()
  // What one test leaves behind is wanted by nobody in the next.
  type Sessions = { items: { id: string }[] }
  const { items } = await house.gateway.admin<Sessions>('GET', '/token-sessions')
  for (const { id } of items) await house.gateway.admin('DELETE', `/token-sessions/${id}`)
})

const calls = () => house.atlassian.calls(route).length

async function start(): Promise<Session> {
  house.newPerson()
  return await enterAging(house, room, 'atlassian')
}

const atAtlassian = (kept: KeptAlive[]) =>
  kept.find(({ provider }) => provider === 'atlassian')?.outcomes ?? {}

const keepAlive = async () => atAtlassian(await house.gateway.running().gateway.keepConnectionsAlive())

/** What its MCP server is answered after the client came back. */
async function answerTo(session: Session) {
  await session.age(0)
  return await session.fetch()
}

test('a connection that nobody used for longer than it lives without use still works, for the price of a call in two months', async () => {
  const session = await start()
  const before = calls()
  for (let days = 0; days < 200; days++) {
    house.clock.advance(day)
    await keepAlive()
  }
  expect(calls()).toBe(before + 3)
  expect((await answerTo(session)).status).toBe(200)
})

test('it is touched when a third of its time is left and not before, and those made together part ways', async () => {
  const many = 6
  for (let count = 0; count < many; count++) await start()
  house.clock.advance(54 * day - 60)
  expect(await keepAlive()).toEqual({})
  const touched: number[] = []
  for (let days = 0; days <= 6; days++) {
    touched.push((await keepAlive()).refreshed ?? 0)
    house.clock.advance(day)
  }
  expect(touched.reduce((sum, count) => sum + count)).toBe(many)
  expect(Math.max(...touched)).toBeLessThan(many)
})

test('one that no live session wants is left to its end', async () => {
  const [wanted, ended] = [await start(), await start()]
  type Sessions = { items: { id: string }[] }
  const { items } = await house.gateway.admin<Sessions>('GET', '/token-sessions')
  const [youngest] = items
  await house.gateway.admin('DELETE', `/token-sessions/${youngest?.id}`)
  const before = calls()
  house.clock.advance(80 * day)
  expect(await keepAlive()).toEqual({ refreshed: 1 })
  expect(calls()).toBe(before + 1)
  expect((await answerTo(wanted)).status).toBe(200)
  expect((await ended.fetch()).status).toBe(404)
})

test('nor does a person who was barred keep any alive', async () => {
  await start()
  type Sessions = { items: { subject_id: string }[] }
  const { items } = await house.gateway.admin<Sessions>('GET', '/token-sessions')
  const subject = items[0]?.subject_id
  await house.gateway.admin('PATCH', `/subjects/${subject}`, { enabled: false })
  house.clock.advance(80 * day)
  expect(await keepAlive()).toEqual({})
})

test('an outage on the day only delays it', async () => {
  const session = await start()
  house.clock.advance(61 * day)
  house.atlassian.control.script({
    on: route,
    times: 'always',
    effect: { kind: 'respond', status: 503, body: 'down' },
  })
  const before = calls()
  expect(await keepAlive()).toEqual({ transient: 1 })
  // Its back-off holds.
  expect(await keepAlive()).toEqual({ transient: 1 })
  expect(calls()).toBe(before + 1)
  house.clock.advance(20 * day)
  expect(await keepAlive()).toEqual({ transient: 1 })
  house.atlassian.control.clearScripts()
  house.clock.advance(600)
  expect(await keepAlive()).toEqual({ refreshed: 1 })
  house.clock.advance(29 * day)
  expect((await answerTo(session)).status).toBe(200)
})

test('one that fails is in nobody’s way', async () => {
  await start()
  await start()
  house.clock.advance(61 * day)
  house.atlassian.control.script({ on: route, effect: { kind: 'respond', status: 503, body: 'down' } })
  expect(await keepAlive()).toEqual({ transient: 1, refreshed: 1 })
  expect(house.gateway.logs()).not.toContain('down')
})

test('one that turns out to be dead is marked so, and not asked for again', async () => {
  const session = await start()
  house.clock.advance(91 * day)
  const before = calls()
  expect(await keepAlive()).toEqual({ dead: 1 })
  expect(await keepAlive()).toEqual({})
  expect(calls()).toBe(before + 1)
  expect((await answerTo(session)).body.error_code).toBe('needs_reauthorization')
})

test('two gateways that come to it at once touch it once', async () => {
  for (let count = 0; count < 5; count++) await start()
  house.clock.advance(61 * day)
  const before = calls()
  const [here, there] = await Promise.all([
    house.gateway.running().gateway.keepConnectionsAlive(),
    other.gateway.keepConnectionsAlive(),
  ])
  expect(calls()).toBe(before + 5)
  for (const outcomes of [atAtlassian(here), atAtlassian(there)]) {
    expect(Object.keys(outcomes).filter((outcome) => !['refreshed', 'busy'].includes(outcome))).toEqual([])
  }
  expect(await keepAlive()).toEqual({})
})

test('a disabled provider is not asked', async () => {
  await start()
  house.clock.advance(61 * day)
  const before = calls()
  const { items } = await house.gateway.admin<{ items: { id: string }[] }>('GET', '/providers')
  expect(items.map(({ id }) => id)).toContain('atlassian')
  const { atlassian: definition } = house.definitions
  await house.gateway.admin('PUT', '/providers/atlassian', { ...definition, enabled: false })
  expect(await keepAlive()).toEqual({})
  await house.gateway.admin('PUT', '/providers/atlassian', { ...definition, enabled: true })
  expect(calls()).toBe(before)
  expect(await keepAlive()).toEqual({ refreshed: 1 })
})

test('one that does not open under the keys at hand is told by that, and the others go on', async () => {
  await start()
  await start()
  const { keepConnectionsAlive, store } = house.gateway.running().gateway
  const { rows } = await store.connections.list({ status: 'live' }, { limit: 200 })
  const young = rows.filter(({ createdAt }) => createdAt > house.clock.now() - 60)
  expect(young).toHaveLength(2)
  const [one] = young
  if (!one) throw new Error('no connection')
  const { version: _, ...row } = one
  const event = auditEvent(house.clock.now(), { event: 'connection.saved', actor: 'test' })
  const sealedRefreshToken = one.sealedRefreshToken?.replace(/^v1\.[^.]+/, 'v1.lost') ?? null
  await store.connections.save({ ...row, sealedRefreshToken }, 'drop', event)
  house.clock.advance(61 * day)
  expect(atAtlassian(await keepConnectionsAlive())).toEqual({ unreadable: 1, refreshed: 1 })
})
