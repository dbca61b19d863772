import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connectAnother, followLink, requestLink } from '../support/connecting.ts'
import { askExchange } from '../support/faces.ts'
import {
  enter,
  fetchToken,
  type House,
  type Person,
  type Room,
  type Stay,
  startHouse,
} from '../support/house.ts'
import { basic, claimsOf, newBrowser } from '../support/world.ts'

// Whose token, from which account, with which rights (promise 1).

let house: House
let room: Room
let ada: Person
let stay: Stay

type Account = { id: string; label: string }

beforeAll(async () => {
  house = await startHouse()
  room = await house.open('room', { providers: [{ provider: 'github', scopes: ['repo', 'gist'] }] })
})
afterAll(() => house.stop())
afterEach(() => house.github.control.clearScripts())
beforeEach(async () => {
  ada = house.newPerson()
  stay = await enter(house, room, { browser: newBrowser() })
})

const ask = (query: Record<string, string> = {}, tsid = stay.tsid) =>
  fetchToken(house, room, tsid, 'github', query)

const accountOf = async (tsid = stay.tsid) => (await ask({}, tsid)).body.account as Account

async function loginOf(token: unknown): Promise<string> {
  const response = await fetch(`${house.github.api}/user`, {
    headers: { authorization: `Bearer ${token}`, 'user-agent': 'test' },
  })
  return ((await response.json()) as { login: string }).login
}

async function list(tsid = stay.tsid) {
  const response = await fetch(`${house.gateway.issuer}/v1/token-sessions/${tsid}`, {
    headers: { authorization: basic(room.credential) },
  })
  type Connection = { account: Account; state: string; scope: string }
  return ((await response.json()) as { connections: Connection[] }).connections
}

/** Has the provider call the grant of an account dead, by rejecting its token. */
async function kill(account?: string) {
  const wish: Record<string, string> = account === undefined ? {} : { account }
  house.github.control.script({
    on: 'POST /login/oauth/access_token',
    effect: { kind: 'respond', status: 200, body: { error: 'bad_refresh_token' } },
  })
  const token = String((await ask(wish)).body.access_token)
  return await ask({ ...wish, rejected: createHash('sha256').update(token).digest('base64url') })
}

describe('several accounts at one provider', () => {
  test('are told apart by opaque ids, and each gives its own token', async () => {
    const mine = await accountOf()
    const work = await connectAnother(house, room, stay)
    const { body } = await ask()
    expect(body.error_code).toBe('account_selection_required')
    const accounts = body.accounts as Account[]
    expect(accounts.map(({ label }) => label).sort()).toEqual([ada.github, work.github].sort())
    expect(accounts).toContainEqual(mine)
    for (const account of accounts) {
      const answer = await ask({ account: account.id })
      expect(answer.body.account).toEqual(account)
      expect(await loginOf(answer.body.access_token)).toBe(account.label)
    }
  })

  test('are told on the exchange as on the other face', async () => {
    await connectAnother(house, room, stay)
    const asked = {
      credential: room.credential,
      tsid: stay.tsid,
      userToken: stay.tokens.access_token,
      provider: 'github',
    }
    const { body } = await askExchange(house.gateway, asked)
    const [first] = body.accounts as Account[]
    const answer = await askExchange(house.gateway, { ...asked, wish: { account: first?.id ?? '' } })
    expect(answer.body.account).toEqual(first)
  })

  test('may not be named by somebody who does not hold them', async () => {
    const mine = await accountOf()
    house.newPerson()
    const other = await enter(house, room, { browser: newBrowser() })
    const { body } = await ask({ account: mine.id }, other.tsid)
    expect(body.error_code).toBe('not_connected')
  })

  test('one of them dead is said of that one alone', async () => {
    const mine = await accountOf()
    const work = await connectAnother(house, room, stay)
    const accounts = (await ask()).body.accounts as Account[]
    const { id = '' } = accounts.find(({ label }) => label === work.github) ?? {}
    await kill(id)
    expect((await ask({ account: id })).body).toMatchObject({
      error_code: 'needs_reauthorization',
      reason: 'bad_refresh_token',
    })
    expect((await ask({ account: mine.id })).status).toBe(200)
    expect((await ask()).body.error_code).toBe('account_selection_required')
  })

  test('the same account is one id in every session and with every set of rights', async () => {
    const narrow = await house.open(`narrow${ada.name}`, {
      providers: [{ provider: 'github', scopes: ['gist'] }],
    })
    const there = await enter(house, narrow, { browser: stay.browser })
    const { body } = await fetchToken(house, narrow, there.tsid, 'github')
    expect(body.account).toEqual(await accountOf())
    expect(body.scope).toBe('gist read:user user:email')
  })
})

describe('a completed link', () => {
  test('adds its connection to the asking session only', async () => {
    const second = await enter(house, room, { browser: stay.browser })
    await connectAnother(house, room, stay)
    expect(await list()).toHaveLength(2)
    expect(await list(second.tsid)).toHaveLength(1)
    expect((await ask({}, second.tsid)).status).toBe(200)
  })

  test('is what its waiting resource is told (long poll)', async () => {
    const link = await requestLink(house, room, stay.tsid, { account: 'new' })
    const waiting = fetch(
      `${house.gateway.issuer}/v1/token-sessions/${stay.tsid}/connect/${link.ticket}?wait=30`,
      { headers: { authorization: basic(room.credential) } },
    )
    house.newPerson()
    await followLink(stay, link)
    expect(await (await waiting).json()).toEqual({ state: 'completed', provider: 'github' })
  })

  test('that widens takes the place of the narrower connection of the same account', async () => {
    const growing = await house.open(`growing${ada.name}`, {
      providers: [{ provider: 'github', scopes: ['gist'] }],
    })
    const small = await enter(house, growing, { browser: newBrowser() })
    await house.gateway.admin('PUT', `/resources/${growing.id}`, {
      resource: growing.uri,
      name: growing.id,
      providers: [{ provider: 'github', scopes: ['gist', 'repo'] }],
    })
    const fetchGrown = (query: Record<string, string> = {}) =>
      fetchToken(house, growing, small.tsid, 'github', query)
    const refused = await fetchGrown({ scope: 'repo' })
    expect(refused.body).toMatchObject({
      error_code: 'insufficient_upstream_scope',
      missing_scopes: ['repo'],
    })
    await followLink(small, { connect_url: String(refused.body.connect_url) })
    const { status, body } = await fetchGrown({ scope: 'repo gist' })
    expect(status).toBe(200)
    expect(body.scope).toBe('gist read:user repo user:email')
  })

  test('repairs a dead connection in place', async () => {
    const dead = await kill()
    expect(dead.body.error_code).toBe('needs_reauthorization')
    expect(await list()).toMatchObject([{ state: 'needs_reauthorization', reason: 'bad_refresh_token' }])
    await followLink(stay, { connect_url: String(dead.body.connect_url) })
    expect((await ask()).status).toBe(200)
    expect(await list()).toMatchObject([{ state: 'live' }])
  })
})

describe('a database that says more than was ever agreed', () => {
  test('gives nobody the connection of another person, though a row says so', async () => {
    const victim = stay
    house.newPerson()
    const thief = await enter(house, room, { browser: newBrowser() })
    const { connections } = house.gateway.running().gateway.store
    const subject = String(claimsOf(victim.tokens.access_token).sub)
    const [stolen] = await connections.listOf(subject)
    if (!stolen) throw new Error('no connection')
    const { listForGrant } = connections
    connections.listForGrant = async () => [{ ...stolen, siteId: null }]
    const { body } = await ask({}, thief.tsid)
    connections.listForGrant = listForGrant
    expect(body).not.toHaveProperty('access_token')
    expect(body.error_code).toBe('not_connected')
  })
})

describe('deleting', () => {
  test('one of two connections ends the session that drew on it, and nobody else’s', async () => {
    const second = await enter(house, room, { browser: stay.browser })
    const work = await connectAnother(house, room, stay)
    const { items } = await house.gateway.admin<{ items: { id: string; account: Account }[] }>(
      'GET',
      `/connections?subject_id=${claimsOf(stay.tokens.access_token).sub}`,
    )
    const added = items.find(({ account }) => account.label === work.github)
    await house.gateway.admin('DELETE', `/connections/${added?.id}`)
    expect((await ask()).body.error_code).toBe('unknown_token_session')
    expect((await ask({}, second.tsid)).status).toBe(200)
  })
})
