import SqliteDatabase from 'better-sqlite3'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { enterAging, type Session } from '../support/aging.ts'
import { type House, type Person, type Room, startHouse } from '../support/house.ts'
import { claimsOf, newBrowser } from '../support/world.ts'

// Somebody writes to the sealed columns. Nobody gets anybody else's token by that, and nothing is thrown away.

let house: House
let room: Room
let database: SqliteDatabase.Database
type Holder = { person: Person; session: Session; row: string }
let ada: Holder
let bob: Holder

beforeAll(async () => {
  house = await startHouse()
  room = await house.open('room', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  database = new SqliteDatabase(`${house.gateway.folder}/coatcheck.db`)
  ada = await enterAs()
  bob = await enterAs()
})
afterAll(async () => {
  database.close()
  await house.stop()
})

async function enterAs(): Promise<Holder> {
  const person = house.newPerson()
  const session = await enterAging(house, room, 'github', { browser: newBrowser() })
  const subject = claimsOf(session.tokens.access_token).sub
  const found = database
    .prepare<[unknown], { id: string }>('select id from connections where subject_id = ?')
    .get(subject)
  if (!found) throw new Error('no connection')
  return { person, session, row: found.id }
}

const columns = ['sealed_access_token', 'sealed_refresh_token'] as const
type Column = (typeof columns)[number]

const read = (row: string, column: Column) =>
  database.prepare<[string], string>(`select ${column} from connections where id = ?`).pluck().get(row) ?? ''

const write = (row: string, column: Column, value: string) =>
  database.prepare(`update connections set ${column} = ? where id = ?`).run(value, row)

const genuine = new Map<string, string>()
function tamper(row: string, column: Column, value: string): void {
  const key = `${row} ${column}`
  if (!genuine.has(key)) genuine.set(key, read(row, column))
  write(row, column, value)
}

afterEach(async () => {
  for (const [key, value] of genuine) {
    const [row = '', column] = key.split(' ')
    write(row, column as Column, value)
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
    const [hers, his] = [read(ada.row, 'sealed_access_token'), read(bob.row, 'sealed_access_token')]
    tamper(ada.row, 'sealed_access_token', his)
    tamper(bob.row, 'sealed_access_token', hers)
    await expectUnavailable(ada)
    await expectUnavailable(bob)
  })

  test('of the other column does not open: a refresh token is never handed out', async () => {
    tamper(ada.row, 'sealed_access_token', read(ada.row, 'sealed_refresh_token'))
    await expectUnavailable(ada)
  })

  test('that a refresh needs, from the other column or person, is never sent to the provider', async () => {
    await ada.session.age(28_801)
    const route = 'POST /login/oauth/access_token'
    const before = house.github.calls(route).length
    for (const value of [read(ada.row, 'sealed_access_token'), read(bob.row, 'sealed_refresh_token')]) {
      tamper(ada.row, 'sealed_refresh_token', value)
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
    tamper(ada.row, 'sealed_access_token', change(read(ada.row, 'sealed_access_token')))
    await expectUnavailable(ada)
  })

  test('that does not open is in the log, and is not in it', async () => {
    tamper(ada.row, 'sealed_access_token', 'v1.test.CANARY.CANARY')
    await expectUnavailable(ada)
    expect(house.gateway.logs()).toContain('SealError')
    expect(house.gateway.logs()).not.toContain('CANARY')
  })
})
