import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { open, press } from '../account/steps.ts'
import { openRoom, subjectNamed } from '../authorization/steps.ts'
import type { Browser } from '../support/browser.ts'
import { enter, type House, type Person, type Room, startHouse, visit } from '../support/house.ts'
import { newBrowser } from '../support/world.ts'

// What people do, and fail to do, as the record has it.

let house: House
let notes: Room
let ada: Person
let browser: Browser

beforeAll(async () => {
  house = await startHouse()
  notes = await openRoom(house, 'notes')
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
  browser = newBrowser()
})

type Row = { outcome: string; subject_id: string | null; provider: string; detail: Record<string, unknown> }

async function rowsOf(event: string): Promise<Row[]> {
  const { items } = await house.gateway.admin<{ items: Row[] }>(
    'GET',
    `/audit-events?event=${event}&limit=200`,
  )
  return items
}

test('who signs out is recorded with where', async () => {
  await press(house, browser, 'github')
  const subjectId = await subjectNamed(house, ada.github)
  await press(house, browser, 'Sign out here')
  await press(house, browser, 'github')
  const other = newBrowser()
  await press(house, other, 'github')
  await press(house, browser, 'Sign out everywhere', 'yes')
  // With nobody there, there is nothing to end.
  await open(house, other)
  const rows = (await rowsOf('subject.signed_out')).filter(({ subject_id: id }) => id === subjectId)
  expect(rows.map(({ detail }) => detail.where)).toEqual(['everywhere', 'this_browser'])
})

test('trips that bring nobody enter the record together, and cannot fill it', async () => {
  const failed = async () =>
    (await rowsOf('trip.failed')).map(({ outcome, provider, detail }) => [provider, outcome, detail.failures])
  house.github.control.deny()
  for (let index = 0; index < 3; index++) {
    await visit(house, notes, { browser: newBrowser() })
    await press(house, newBrowser(), 'github')
  }
  expect(await failed()).toEqual([['github', 'access_denied', 1]])
  house.clock.advance(61)
  await house.gateway.running().gateway.failures.record('due')
  expect(await failed()).toEqual([
    ['github', 'access_denied', 5],
    ['github', 'access_denied', 1],
  ])
})

test('an account that may not do what it was brought for is recorded, on the account page as well', async () => {
  await enter(house, notes, { browser })
  await press(house, browser, 'github')
  const subjectId = (await subjectNamed(house, ada.github)) ?? ''
  const { connections } = house.gateway.running().gateway.store
  for (const each of await connections.listOf(subjectId)) {
    const died = auditEvent(1, { event: 'connection.died', actor: 'gateway', subjectId })
    await connections.markDead(each, { reason: 'test', at: 1 }, died)
  }
  const stranger = house.newPerson()
  house.seat({ ...ada, github: stranger.github })
  expect((await press(house, browser, /^Reconnect/)).status).toBe(409)
  await enter(house, notes)
  expect((await press(house, browser, /^Reconnect/)).status).toBe(409)
  expect((await press(house, browser, /^Reconnect/)).status).toBe(409)
  expect(await rowsOf('subject.refused')).toMatchObject([
    { outcome: 'account_of_somebody_else', subject_id: subjectId, provider: 'github' },
    { outcome: 'wrong_account', subject_id: subjectId, detail: { upstream_subject: expect.any(String) } },
  ])
})
