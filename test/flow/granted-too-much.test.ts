import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { press } from '../account/steps.ts'
import { listed } from '../authorization/steps.ts'
import { enterAging } from '../support/aging.ts'
import { callbackOf } from '../support/browser.ts'
import { requestLink } from '../support/connecting.ts'
import {
  enter,
  fetchToken,
  type House,
  type Room,
  startHouse,
  upstreamClient,
  visit,
} from '../support/house.ts'
import { basic, claimsOf, type Tokens } from '../support/world.ts'

// A provider that grants more than it is asked for cannot serve: nobody gets more than an administrator allowed
// (promise 1). Trying again does not help, so the person is sent there once, and the administrator is told why.

let house: House
let room: Room
let rooms = 0

const tokenRoute = 'POST /login/oauth/access_token'
const repo = { provider: 'github', scopes: ['repo'] }
const google = { provider: 'google', scopes: [] }

beforeAll(async () => {
  house = await startHouse()
})
afterAll(() => house.stop())
beforeEach(async () => {
  house.newPerson()
  room = await openWith([{ ...repo, required: false }, google])
})
afterEach(() => house.github.control.clearScripts())

const openWith = (providers: unknown[]) => house.open(`room${++rooms}`, { providers, sign_in: ['google'] })
const grantMore = (times: number | 'always' = 'always', scope = 'repo,delete_repo,read:user,user:email') =>
  house.github.control.script({
    on: tokenRoute,
    times,
    effect: { kind: 'patch', json: { scope } },
  })

/** Enters without the provider that need not be there, which leaves it to a link. */
const enterWithout = () => enter(house, room, { presses: [{ button: 'allow', fields: { provider: [] } }] })

/** Enters a room that needs the provider, which then ends the grant. */
async function enterWithDead() {
  room = await openWith([repo])
  const session = await enterAging(house, room, 'google')
  const body = { error: 'bad_refresh_token' }
  house.github.control.script({ on: tokenRoute, effect: { kind: 'respond', status: 200, body } })
  await session.age(28_801)
  const dead = await fetchToken(house, room, session.tsid, 'github')
  expect(dead.status).toBe(424)
  return { session, connectUrl: String(dead.body.connect_url) }
}

const misconfigured = {
  status: 502,
  body: { error_code: 'provider_misconfigured', who_must_act: 'admin', reason: 'granted_too_much' },
}

async function expectNobodyIsSent(tsid: string, query: Record<string, string> = {}): Promise<void> {
  const trips = house.trips().github
  for (let count = 0; count < 3; count++) {
    const { status, body } = await fetchToken(house, room, tsid, 'github', query)
    expect({ status, body }).toMatchObject(misconfigured)
    expect(body).not.toHaveProperty('connect_url')
    expect(body).not.toHaveProperty('access_token')
  }
  expect(house.trips().github).toBe(trips)
}

async function stateOf(tsid: string, ticket: string): Promise<unknown> {
  const url = `${house.gateway.issuer}/v1/token-sessions/${tsid}/connect/${ticket}`
  return await (await fetch(url, { headers: { authorization: basic(room.credential) } })).json()
}

describe('a provider that grants more than it is asked for', () => {
  test('ends an authorization that needs it: the client is told that an administrator must act', async () => {
    grantMore()
    const needed = await openWith([repo])
    const { stop } = await visit(house, needed, { presses: ['google', 'allow'] })
    expect(callbackOf(stop)).toMatchObject({ error: 'server_error' })
    expect(callbackOf(stop).error_description).toContain('more than it is asked for')
  })

  test('is left out where it need not be there, and nobody is sent there again', async () => {
    grantMore()
    const { tsid } = await enter(house, room, { presses: ['allow'] })
    await expectNobodyIsSent(tsid)
    await expectNobodyIsSent(tsid, { scope: 'repo' })
  })

  test('ends a connect link on a page that says so, and no other link is offered', async () => {
    const { tsid, browser } = await enterWithout()
    const before = await fetchToken(house, room, tsid, 'github')
    expect(before.body).toMatchObject({ error_code: 'not_connected' })
    grantMore()
    const link = await requestLink(house, room, tsid)
    const stop = await browser.walk(link.connect_url, ['continue'])
    expect(stop.status).toBe(502)
    expect(stop.text).toContain('GitHub gave more than we asked for')
    expect(stop.text).toContain('trying again will not help')
    expect(await stateOf(tsid, link.ticket)).toMatchObject({ state: 'failed', reason: 'granted_too_much' })
    await expectNobodyIsSent(tsid)
  })

  test('and does so while a connection is mended, ends that the same way', async () => {
    const { session, connectUrl } = await enterWithDead()
    grantMore()
    expect((await session.browser.walk(connectUrl, ['continue'])).status).toBe(502)
    await expectNobodyIsSent(session.tsid)
  })

  test('and does so while a connection is widened, leaves the session what it had', async () => {
    room = await openWith([{ provider: 'github', scopes: ['repo', 'gist'], required: false }, google])
    const { tsid, browser } = await enterWithout()
    const narrow = await requestLink(house, room, tsid, { scope: 'repo' })
    expect((await browser.walk(narrow.connect_url, ['continue'])).status).toBe(200)
    const asked = await fetchToken(house, room, tsid, 'github', { scope: 'gist' })
    expect(asked.body).toMatchObject({ error_code: 'insufficient_upstream_scope' })
    grantMore('always', 'repo,gist,delete_repo,read:user,user:email')
    expect((await browser.walk(String(asked.body.connect_url), ['continue'])).status).toBe(502)
    await expectNobodyIsSent(tsid, { scope: 'gist' })
    expect((await fetchToken(house, room, tsid, 'github', { scope: 'repo' })).status).toBe(200)
  })

  test('is not called connected again on the account page', async () => {
    const { session } = await enterWithDead()
    grantMore()
    await press(house, session.browser, 'google')
    const page = await press(house, session.browser, /^Reconnect/)
    expect(page.status).toBe(502)
    expect(page.text).toContain('GitHub gave more than we asked for')
    await expectNobodyIsSent(session.tsid)
  })

  test('and begins to when it refreshes, is no longer served, nor is anybody sent there', async () => {
    room = await openWith([repo])
    const { tsid, age } = await enterAging(house, room, 'google')
    expect((await fetchToken(house, room, tsid, 'github')).status).toBe(200)
    await age(28_801)
    grantMore(1)
    await expectNobodyIsSent(tsid)
    await age(28_801)
    await expectNobodyIsSent(tsid)
  })
})

describe('the administrator', () => {
  test('finds the reason at the connection, in the record, in the log and in what the check says', async () => {
    grantMore()
    const { tokens } = await enter(house, room, { presses: ['allow'] })
    const [connection] = await connectionsAtGithub(tokens)
    expect(connection).toMatchObject({ status: 'live', status_reason: 'granted_too_much' })
    const [event] = await listed(house, '/audit-events?event=connection.saved&provider=github')
    expect(event).toMatchObject({ outcome: 'granted_too_much', detail: { unasked: ['delete_repo'] } })
    expect(house.gateway.logs()).toContain('"code":"granted_too_much"')
    const { warnings } = await house.gateway.admin<{ warnings: { code: string; message: string }[] }>(
      'POST',
      '/providers/github/check',
    )
    expect(warnings.find(({ code }) => code === 'granted_too_much')?.message).toContain('delete_repo')
  })

  test('who allows the rest has it served at once, without the person', async () => {
    room = await openWith([repo])
    const session = await enterAging(house, room, 'google')
    await session.age(28_801)
    grantMore(1)
    expect((await fetchToken(house, room, session.tsid, 'github')).status).toBe(502)
    await openAgainWith(['repo', 'delete_repo'])
    expect((await fetchToken(house, room, session.tsid, 'github')).status).toBe(200)
  })

  test('who changes the provider, or ends the connection, has the person asked again', async () => {
    const { tokens, tsid, browser } = await enterWithout()
    grantMore(2)
    const first = await requestLink(house, room, tsid)
    expect((await browser.walk(first.connect_url, ['continue'])).status).toBe(502)
    await expectNobodyIsSent(tsid)

    house.clock.advance(1)
    await saveProvider({ name: 'Octo' })
    const asked = await fetchToken(house, room, tsid, 'github')
    expect(asked.body).toMatchObject({ error_code: 'not_connected' })
    house.clock.advance(1)
    expect((await browser.walk(String(asked.body.connect_url), ['continue'])).status).toBe(502)
    await expectNobodyIsSent(tsid)

    const [flagged] = await connectionsAtGithub(tokens)
    await house.gateway.admin('DELETE', `/connections/${flagged?.id}`)
    const again = await fetchToken(house, room, tsid, 'github')
    const done = await browser.walk(String(again.body.connect_url), ['continue'])
    expect(done.status).toBe(200)
    expect((await fetchToken(house, room, tsid, 'github')).status).toBe(200)
    await saveProvider({})
  })

  const connectionsAtGithub = async ({ access_token: token }: Tokens) =>
    await listed<Record<string, unknown>>(
      house,
      `/connections?subject_id=${claimsOf(token).sub}&provider=github`,
    )

  /** The last room, allowed other scopes; its credential stays. */
  async function openAgainWith(scopes: string[]): Promise<void> {
    const definition = {
      resource: room.uri,
      name: room.id,
      scopes: { 'notes.read': 'Read your notes', 'notes.write': 'Change your notes' },
      default_scopes: ['notes.read'],
      providers: [{ provider: 'github', scopes }],
      sign_in: ['google'],
    }
    await house.gateway.admin('PUT', `/resources/${room.id}`, definition)
  }

  async function saveProvider(more: Record<string, unknown>): Promise<void> {
    await house.gateway.admin('PUT', '/providers/github', {
      descriptor: { extends: 'github', ...more },
      variables: { web: house.github.web, api: house.github.api },
      client_id: upstreamClient.clientId,
      client_secret: upstreamClient.clientSecret,
      admit: 'anyone',
    })
  }
})
