import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { enterAging, type Session } from '../support/aging.ts'
import { type House, type Person, type Room, startHouse } from '../support/house.ts'
import { claimsOf, newBrowser } from '../support/world.ts'

// Somebody writes to the sealed columns. Nobody gets anybody else's token by that, and nothing is thrown away.

let house: House
let room: Room
type Holder = { person: Person; session: Session; row: string }
let ada: Holder
let bob: Holder

beforeAll(async () => {
  house = await startHouse()
  room = await house.open('room', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  ada = await enterAs()
  bob = await enterAs()
})
afterAll(() => house.stop())

async function enterAs(): Promise<Holder> {
  const person = house.newPerson()
  const session = await enterAging(house, room, 'github', { browser: newBrowser() })
  const subject = claimsOf(session.tokens.access_token).sub
  const [found] = await house.gateway.database.rows<{ id: string }>(
    'SELECT id FROM connections WHERE subject_id = ?',
    subject,
  )
  if (!found) throw new Error('no connection')
  return { person, session, row: found.id }
}

const columns = ['sealed_access_token', 'sealed_refresh_token'] as const
type Column = (typeof columns)[number]

async function read(row: string, column: Column): Promise<string> {
  const sql = `SELECT ${column} AS sealed FROM connections WHERE id = ?`
  const [found] = await house.gateway.database.rows<{ sealed: string }>(sql, row)
  return found?.sealed ?? ''
}

const write = (row: string, column: Column, value: string) =>
  house.gateway.database.rows(`UPDATE connections SET ${column} = ? WHERE id = ?`, value, row)

const genuine = new Map<string, string>()
async function tamper(row: string, column: Column, value: string): Promise<void> {
  const key = `${row} ${column}`
  if (!genuine.has(key)) genuine.set(key, await read(row, column))
  await write(row, column, value)
}

afterEach(async () => {
  for (const [key, value] of genuine) {
    const [row = '', column] = key.split(' ')
    await write(row, column as Column, value)
  }
  genuine.clear()
  // As it was, everything works again: nothing was lost or marked dead.
  for (const { session, person } of [ada, bob]) {
    await session.age(0)
    const { status, body } = await session.fetch()
    expect(status).toBe(200)
    expect(body.account).toMatchObject({ label: person.github })
  }
})

async function expectUnavailable({ session }: Holder): Promise<void> {
  const { status, body } = await session.fetch()
  expect(status).toBe(503)
  expect(body).toMatchObject({ error_code: 'gateway_unavailable', who_must_act: 'admin' })
  expect(body).not.toHaveProperty('access_token')
}

describe('a sealed token', () => {
  test('of another person opens for neither (CR-02)', async () => {
    const [hers, his] = [
      await read(ada.row, 'sealed_access_token'),
      await read(bob.row, 'sealed_access_token'),
    ]
    await tamper(ada.row, 'sealed_access_token', his)
    await tamper(bob.row, 'sealed_access_token', hers)
    await expectUnavailable(ada)
    await expectUnavailable(bob)
  })

  test('of the other column does not open: a refresh token is never handed out', async () => {
    await tamper(ada.row, 'sealed_access_token', await read(ada.row, 'sealed_refresh_token'))
    await expectUnavailable(ada)
  })

  test('that a refresh needs, from the other column or person, is never sent to the provider', async () => {
    await ada.session.age(28_801)
    const route = 'POST /login/oauth/access_token'
    const before = house.github.calls(route).length
    for (const value of [
      await read(ada.row, 'sealed_access_token'),
      await read(bob.row, 'sealed_refresh_token'),
    ]) {
      await tamper(ada.row, 'sealed_refresh_token', value)
      await expectUnavailable(ada)
    }
    expect(house.github.calls(route)).toHaveLength(before)
  })

  test.each([
    ['cleartext', () => 'gho_somebodys_token'],
    ['nothing', () => ''],
    ['another version', (sealed: string) => sealed.replace('v1.', 'v2.')],
    ['a key nobody has', (sealed: string) => sealed.replace('v1.test.', 'v1.other.')],
    ['the half of itself', (sealed: string) => sealed.slice(0, sealed.length / 2)],
    [
      'one changed character',
      (sealed: string) => sealed.slice(0, -9) + (sealed.at(-9) === 'A' ? 'B' : 'A') + sealed.slice(-8),
    ],
  ])('that became %s fails closed (CR-03, CR-04)', async (_what, change) => {
    await tamper(ada.row, 'sealed_access_token', change(await read(ada.row, 'sealed_access_token')))
    await expectUnavailable(ada)
  })

  test('that does not open is in the log, and is not in it', async () => {
    await tamper(ada.row, 'sealed_access_token', 'v1.test.CANARY.CANARY')
    await expectUnavailable(ada)
    expect(house.gateway.logs()).toContain('SealError')
    expect(house.gateway.logs()).not.toContain('CANARY')
  })
})
