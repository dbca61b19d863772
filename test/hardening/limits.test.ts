import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { browserStoppingAt, githubAuthorize } from '../authorization/steps.ts'
import { askForLink, type Link, stateOf } from '../support/connect-links.ts'
import {
  cookiesOf,
  createFlood,
  type Flood,
  form,
  pathOf,
  registration,
  thisMachine,
} from '../support/flood.ts'
import { createStillClock } from '../support/gateway.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import { authorizeUrl, basic, newBrowser, newPkce, postToken, signIn } from '../support/world.ts'

// The limits of what is beside registering, authorizing and getting tokens. Each is told to the second, and spares
// whoever is right.

const limits = {
  registration_changes_per_client: 3,
  introspections_per_resource: 4,
  visits_per_interaction: 10,
  visits_per_connect_link: 10,
  unknown_visits_per_address: 3,
  callbacks_per_provider: 2,
  failed_authentications_per_address: 3,
  failed_authentications_per_caller: 5,
  token_requests_per_client: 5,
}

let notes: Notes
let flood: Flood
let stay: Awaited<ReturnType<typeof signIn>>
let addresses = 0

beforeAll(async () => {
  const env = () => ({ COATCHECK_TRUSTED_PROXIES: thisMachine })
  notes = await startNotes({ clock: createStillClock(), env, file: { limits } })
  flood = createFlood(notes.gateway.issuer)
  stay = await signIn(notes)
})
afterAll(async () => {
  flood.stop()
  await notes.stop()
})
beforeEach(() => notes.clock.advance(120))

const nowhere = () => `203.0.113.${++addresses}`
const times = <Result>(count: number, ask: (index: number) => Promise<Result>) =>
  Promise.all(Array.from({ length: count }, (_, index) => ask(index)))

type Told = { status: number; wait: number }

/** That the limit is reached, and that the promised second is served and the one before is not. */
async function expectExact(ask: () => Promise<Told>, served: number): Promise<void> {
  const { status, wait } = await ask()
  expect(status).toBe(429)
  expect(wait).toBeGreaterThan(1)
  notes.clock.advance(wait - 1)
  expect(await ask()).toMatchObject({ status: 429, wait: 1 })
  notes.clock.advance(1)
  expect((await ask()).status).toBe(served)
}

const told = (response: Response): Told => ({
  status: response.status,
  wait: Number(response.headers.get('retry-after') ?? 0),
})

test('an MCP server that asks about too many tokens waits; retrieval goes on', async () => {
  const introspect = async () =>
    told(
      await fetch(`${notes.gateway.url}/oauth/introspect`, {
        method: 'POST',
        headers: { authorization: basic(notes.credential) },
        body: new URLSearchParams({ token: stay.tokens.access_token }),
      }),
    )
  expect((await times(4, introspect)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
  await expectExact(introspect, 200)
  const session = await fetch(`${notes.gateway.url}/v1/token-sessions/${stay.tsid}`, {
    headers: { authorization: basic(notes.credential) },
  })
  expect(session.status).toBe(200)
})

describe('the management of a registration', () => {
  type Managed = { client_id: string; registration_access_token: string }
  const registered = async (): Promise<Managed> =>
    JSON.parse((await flood.forwarded(registration(nowhere()))).body)
  const manage = (
    { client_id: id }: Managed,
    token: string,
    { from = nowhere(), method = 'GET', body = '' } = {},
  ) =>
    flood.forwarded({
      path: `/oauth/register/${id}`,
      from,
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body }),
    })

  test('is told to stop for wrong tokens, from one address and at one client; the right one is served', async () => {
    const mine = await registered()
    const from = nowhere()
    for (let guess = 0; guess < 3; guess++) {
      expect((await manage(await registered(), 'cc_rat_wrong', { from })).status).toBe(401)
    }
    await expectExact(async () => manage(await registered(), 'cc_rat_wrong', { from }), 401)
    notes.clock.advance(120)
    await times(5, () => manage(mine, 'cc_rat_wrong'))
    await expectExact(() => manage(mine, 'cc_rat_wrong'), 401)
    expect((await manage(mine, mine.registration_access_token, { from })).status).toBe(200)
  })

  test('changes a client so often, and no other waits for it', async () => {
    let mine = await registered()
    const change = async () => {
      const body = JSON.stringify({
        client_id: mine.client_id,
        redirect_uris: ['http://127.0.0.1/callback'],
        token_endpoint_auth_method: 'none',
      })
      const answer = await manage(mine, mine.registration_access_token, { method: 'PUT', body })
      if (answer.status === 200) mine = JSON.parse(answer.body)
      return answer
    }
    for (let count = 0; count < 3; count++) expect((await change()).status).toBe(200)
    await expectExact(change, 200)
    const theirs = await registered()
    const seen = () => manage(theirs, theirs.registration_access_token, { from: '203.0.113.200' })
    const statuses = (await times(6, seen)).map(({ status }) => status)
    expect(statuses.toSorted()).toEqual([200, 200, 200, 200, 200, 429])
  })
})

test('a client that revokes too often waits', async () => {
  const revoke = () =>
    flood.forwarded({
      path: '/oauth/revoke',
      from: '203.0.113.201',
      method: 'POST',
      headers: form,
      body: String(new URLSearchParams({ client_id: notes.clientId, token: 'cc_rt_of_nobody' })),
    })
  await times(5, revoke)
  await expectExact(revoke, 200)
})

describe('visits', () => {
  test.each([
    ['pages', '/oauth/interactions/int_of_nobody', 'GET', 400],
    ['forms', '/oauth/interactions/int_of_nobody', 'POST', 400],
    ['callbacks', '/oauth/callback/github?state=cc_state_of_nobody&code=x', 'GET', 400],
    ['callbacks without a state', '/oauth/callback/github?code=x', 'GET', 400],
    ['connect links', '/connect/of_nobody', 'GET', 404],
    ['forms of connect links', '/connect/of_nobody', 'POST', 404],
  ])(
    'to %s that are not there are told to stop, and one’s own goes on from the same address',
    async (_, path, method, status) => {
      const from = nowhere()
      const headers = { 'x-forwarded-for': from }
      const browser = newBrowser()
      const url = authorizeUrl(notes, newPkce().challenge)
      const opened = await browser.get(url, { headers })
      const origin = { origin: new URL(notes.gateway.issuer).origin, 'sec-fetch-site': 'same-origin' }
      const stray = () =>
        flood.forwarded({ path, from, method, headers: method === 'POST' ? { ...form, ...origin } : {} })
      expect((await times(3, stray)).map((answer) => answer.status)).toEqual([status, status, status])
      await expectExact(stray, status)
      if (opened.left) throw new Error('no page')
      expect((await browser.get(opened.url, { headers })).status).toBe(200)
    },
  )

  test('to an interaction of another browser are told to stop, and take nothing from its own', async () => {
    const browser = newBrowser()
    const opened = await browser.get(authorizeUrl(notes, newPkce().challenge))
    const from = nowhere()
    const look = () => flood.forwarded({ path: pathOf(opened.url), from })
    await times(3, look)
    await expectExact(look, 403)
    expect((await browser.walk(opened, ['allow'])).left).toBe(true)
  })

  test('to one interaction have an end, and another one goes on', async () => {
    const browser = newBrowser()
    const opened = await browser.get(authorizeUrl(notes, newPkce().challenge))
    const look = () =>
      flood.forwarded({ path: pathOf(opened.url), from: nowhere(), headers: { cookie: cookiesOf(browser) } })
    await times(9, look)
    await expectExact(look, 200)
    const again = await browser.get(authorizeUrl(notes, newPkce().challenge))
    expect((await browser.walk(again, ['allow'])).left).toBe(true)
  })
})

test('made up returns from a provider use up nothing there, and who was here before goes on', async () => {
  const asked = () => notes.github.calls('POST /login/oauth/access_token').length
  /** Somebody nobody knows, on their way back from the provider. */
  const onTheWay = async (from: string) => {
    const browser = browserStoppingAt(githubAuthorize(notes))
    const { url } = await browser.walk(authorizeUrl(notes, newPkce().challenge), ['allow'])
    const path = `/oauth/callback/github?state=${new URL(url).searchParams.get('state')}&code=made_up`
    return () => flood.forwarded({ path, from, headers: { cookie: cookiesOf(browser) } })
  }
  const before = asked()
  const returns = await times(4, () => onTheWay(nowhere()))
  const statuses: number[] = []
  for (const back of returns) statuses.push((await back()).status)
  expect(statuses.slice(2)).toEqual([429, 429])
  expect(asked()).toBe(before + 2)
  // Their state is not taken: what was refused may be opened again.
  const [third = returns[0]] = returns.slice(2)
  const { wait } = (await third?.()) ?? { wait: 0 }
  notes.clock.advance(wait - 1)
  expect((await third?.())?.status).toBe(429)
  // Meanwhile who is signed in signs in anew.
  const anew = await signIn(notes, { browser: stay.browser, parameters: { prompt: 'login' } })
  expect(anew.tsid).toMatch(/^ts_/)
  notes.clock.advance(1)
  expect((await third?.())?.status).not.toBe(429)
})

describe('a connect link', () => {
  let link: Link
  beforeEach(async () => {
    stay = await signIn(notes)
    link = await askForLink(notes, notes.room, stay.tsid, 'github', { account: 'new' })
  })

  test('may be opened so often, whoever opens it', async () => {
    const open = () => flood.forwarded({ path: pathOf(link.url), from: nowhere() })
    await times(10, open)
    await expectExact(open, 200)
    expect(await stateOf(notes, notes.room, stay.tsid, link)).toMatchObject({ state: 'pending' })
  })

  test('that was posted once is plainly used, also where the person went back before they finished', async () => {
    const page = await stay.browser.get(link.url)
    const origin = { origin: new URL(notes.gateway.issuer).origin, 'sec-fetch-site': 'same-origin' }
    const post = () =>
      flood.forwarded({
        path: pathOf(link.url),
        from: nowhere(),
        method: 'POST',
        headers: { ...form, ...origin, cookie: cookiesOf(stay.browser) },
        body: 'decision=continue',
      })
    expect(page.status).toBe(200)
    expect((await post()).status).toBe(303)
    expect(await stateOf(notes, notes.room, stay.tsid, link)).toMatchObject({ state: 'opened' })
    for (const again of [await post(), await flood.forwarded({ path: pathOf(link.url), from: nowhere() })]) {
      expect(again.status).toBe(410)
      expect(again.body).toContain('This link was used before')
    }
    // It ends with the interaction it became; the MCP server asks for another.
    const other = await askForLink(notes, notes.room, stay.tsid, 'github', { account: 'new' })
    expect((await stay.browser.get(other.url)).status).toBe(200)
  })
})

test('guesses at a client from ever new addresses count, and no success of the guesser takes them back', async () => {
  const mine = await notes.gateway.admin<{ client_id: string; client_secret: string }>('POST', '/clients', {
    redirect_uris: ['https://client.test/cb'],
    token_endpoint_auth_method: 'client_secret_post',
  })
  const ask = (id: string, secret: string, from: string) =>
    flood.forwarded({
      path: '/oauth/token',
      from,
      method: 'POST',
      headers: form,
      body: String(
        new URLSearchParams({
          grant_type: 'refresh_token',
          client_id: id,
          client_secret: secret,
          refresh_token: 'x',
        }),
      ),
    })
  const attacker = '203.0.113.222'
  for (let guess = 0; guess < 3; guess++) {
    expect((await ask(`client_${guess}`, 'wrong', attacker)).status).toBe(401)
    // Their own secret is right.
    expect((await ask(mine.client_id, mine.client_secret, attacker)).status).toBe(400)
  }
  await expectExact(() => ask('client_x', 'wrong', attacker), 401)
  for (let guess = 0; guess < 5; guess++) await ask('client_victim', 'wrong', nowhere())
  await expectExact(() => ask('client_victim', 'wrong', nowhere()), 401)
  const right = await postToken(notes, {
    grant_type: 'refresh_token',
    client_id: mine.client_id,
    client_secret: mine.client_secret,
    refresh_token: 'x',
  })
  expect(await right.json()).toMatchObject({ error: 'invalid_grant' })
})
