import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerDeadline } from '../../src/limits/load.ts'
import { callbackOf } from '../support/browser.ts'
import { askRest } from '../support/faces.ts'
import {
  cookiesOf,
  createFlood,
  type Flood,
  form,
  pathOf,
  registration,
  type Sent,
  thisMachine,
  withStatus,
} from '../support/flood.ts'
import { createStillClock } from '../support/gateway.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import { until } from '../support/until.ts'
import {
  authorizeUrl,
  introspect,
  newBrowser,
  newPkce,
  postToken,
  refresh,
  registerClient,
  signIn,
  type Tokens,
} from '../support/world.ts'

// Promise 11: what anybody may send without having proven anything fills nothing up and drives nobody out. The clock
// stands still, so that each number below is exact, however slow the machine.

const limits = {
  registrations_per_address: 3,
  registrations: 100,
  authorizations_per_address: 8,
  authorizations_per_client: 200,
  authorizations: 500,
  returning_authorizations_per_person: 3,
  failed_authentications_per_address: 10,
  failed_authentications_per_caller: 100,
  token_requests_per_client: 50,
  token_requests_per_address: 120,
  retrievals_per_resource: 30,
  unknown_sessions_per_resource: 10,
  connect_links_per_session: 3,
}

let notes: Notes
let floodOf: Flood
/** The client that is flooded, and one beside it. */
let flooded: Pick<Notes, 'gateway' | 'clientId' | 'clock'>
let other: typeof flooded
let stay: Awaited<ReturnType<typeof signIn>>
let tokens: Tokens

beforeAll(async () => {
  const env = () => ({ COATCHECK_TRUSTED_PROXIES: thisMachine })
  notes = await startNotes({ clock: createStillClock(), env, file: { limits } })
  floodOf = createFlood(notes.gateway.issuer)
  flooded = notes
  other = { ...notes, clientId: await registerClient(notes.gateway) }
  stay = await signIn(notes)
  tokens = stay.tokens
})
afterAll(async () => {
  floodOf.stop()
  await notes.stop()
})

const hundred = Array.from({ length: 100 }, (_, index) => `198.51.100.${index}`)
const fromHundred = (times: number) => Array.from({ length: times }, () => hundred).flat()

async function stored() {
  const {
    clients = [],
    interactions = [],
    audit_events: auditEvents = [],
  } = await notes.gateway.database.everything()
  return { clients: clients.length, interactions: interactions.length, auditEvents: auditEvents.length }
}

const start = (client: typeof flooded) => (from: string) => ({
  path: pathOf(authorizeUrl(client, newPkce().challenge)),
  from,
})

/** Until everything that is counted by the minute is there again. */
const restUp = () => notes.clock.advance(120)

/** What a flood leaves of a rate, without sending it. */
function useUp(rate: 'authorizations_per_client' | 'authorizations', key = '') {
  const { rates, clock } = notes.gateway.running().gateway
  while (rates[rate].take(key, clock()) === 0);
}

/** A form that is posted from wherever. */
const posted =
  (path: string, parameters: Record<string, string>) =>
  (from: string): Sent => ({
    path,
    from,
    method: 'POST',
    headers: form,
    body: String(new URLSearchParams(parameters)),
  })

const refreshing = (parameters: Record<string, string>) =>
  posted('/oauth/token', { grant_type: 'refresh_token', refresh_token: 'cc_rt_x', ...parameters })

const guess = (from: string, id: string) => refreshing({ client_id: id, client_secret: 'wrong' })(from)

test('five hundred registrations and twelve hundred authorization requests from a hundred addresses drive nobody out', async () => {
  restUp()
  const before = await stored()
  const begun = await newBrowser().get(authorizeUrl(flooded, newPkce().challenge))
  const registrations = await floodOf.from(fromHundred(5), (from) => registration(from))
  const starts = await floodOf.from(fromHundred(12), start(flooded))

  // 429 where it is due, to the very last one.
  expect(withStatus(registrations, 201)).toHaveLength(limits.registrations)
  expect(withStatus(registrations, 429)).toHaveLength(500 - limits.registrations)
  expect(withStatus(starts, 303)).toHaveLength(limits.authorizations_per_client - 1)
  expect(withStatus(starts, 429)).toHaveLength(1_200 - limits.authorizations_per_client + 1)
  const refused = [...withStatus(registrations, 429), ...withStatus(starts, 429)]
  expect(refused.every(({ wait }) => wait >= 1 && wait <= 60)).toBe(true)
  expect(JSON.parse(withStatus(registrations, 429)[0]?.body ?? '')).toMatchObject({
    error: 'temporarily_unavailable',
  })
  expect(withStatus(starts, 429)[0]).toMatchObject({ type: expect.stringContaining('text/html') })
  expect(withStatus(starts, 429)[0]?.body).toContain('too fast')

  // What it leaves in the database is what the limits let in, and nothing of it in the record.
  expect(await stored()).toEqual({
    clients: before.clients + limits.registrations,
    interactions: before.interactions + limits.authorizations_per_client,
    auditEvents: before.auditEvents,
  })

  // A client in use refreshes, and its tokens are retrieved for.
  const refreshed = await refresh(notes, tokens.refresh_token)
  expect(refreshed.status).toBe(200)
  tokens = (await refreshed.json()) as Tokens
  const ask = { credential: notes.credential, userToken: tokens.access_token, provider: 'github' }
  expect((await askRest(notes.gateway, { ...ask, tsid: stay.tsid })).status).toBe(200)

  // Who is signed in signs in anew, at the provider, to the very client that is flooded.
  const trips = notes.trips().github
  const anew = await signIn(flooded, { browser: stay.browser, parameters: { prompt: 'login' } })
  expect(notes.trips().github).toBe(trips + 1)
  expect(anew.tsid).not.toBe(stay.tsid)
  stay = anew
  tokens = anew.tokens

  // Whom nobody knows signs in to another client, from an address nobody knows.
  notes.newPerson()
  const stranger = newBrowser()
  const headers = { 'x-forwarded-for': '203.0.113.50' }
  const { verifier, challenge } = newPkce()
  const opened = await stranger.get(authorizeUrl(other, challenge), { headers })
  const { code = '' } = callbackOf(await stranger.walk(opened, ['allow']))
  const redeemed = await postToken(notes, {
    grant_type: 'authorization_code',
    client_id: other.clientId,
    code,
    code_verifier: verifier,
  })
  expect(redeemed.status).toBe(200)

  // Who had begun goes on. Only who comes for the first time to the flooded client has to wait with the flood.
  expect(begun).toMatchObject({ status: 200, left: false })
  expect((await floodOf.forwarded(start(flooded)('203.0.113.51'))).status).toBe(429)
}, 60_000)

test('what is kept for those who were here before is so much for each, told to the second', async () => {
  restUp()
  const flood = () => useUp('authorizations_per_client', flooded.clientId)
  const nowhere = '203.0.113.60'
  const returning = () =>
    floodOf.forwarded({ ...start(flooded)(nowhere), headers: { cookie: cookiesOf(stay.browser) } })
  flood()
  const answers = await Promise.all([returning(), returning(), returning(), returning()])
  expect(withStatus(answers, 303)).toHaveLength(limits.returning_authorizations_per_person)
  // What comes back to everybody comes sooner than what is kept for them.
  expect(withStatus(answers, 429)).toMatchObject([{ wait: 1 }])
  notes.clock.advance(19)
  flood()
  expect((await returning()).status).toBe(429)
  notes.clock.advance(1)
  flood()
  expect((await returning()).status).toBe(303)
  // An address from where somebody signed in has as much for whom nobody knows.
  const here = await newBrowser().get(authorizeUrl(flooded, newPkce().challenge))
  expect(here.status).toBe(200)
  expect((await floodOf.forwarded(start(flooded)(nowhere))).status).toBe(429)
  // For seven days.
  notes.clock.advance(7 * 86_400)
  flood()
  expect((await newBrowser().get(authorizeUrl(flooded, newPkce().challenge))).status).toBe(429)
  stay = await signIn(other)
  tokens = stay.tokens
})

test('when the limits of everybody are used up, those who are signed in sign in still', async () => {
  restUp()
  useUp('authorizations')
  expect((await floodOf.forwarded(start(other)('203.0.113.70'))).status).toBe(429)
  const anew = await signIn(other, { browser: stay.browser, parameters: { prompt: 'login' } })
  expect((await refresh(other, anew.tokens.refresh_token)).status).toBe(200)
})

test('an address that goes on guessing secrets is told to stop; the right one is served from there', async () => {
  restUp()
  const made = await notes.gateway.admin<{ client_id: string; client_secret: string }>('POST', '/clients', {
    redirect_uris: ['https://client.test/cb'],
    token_endpoint_auth_method: 'client_secret_post',
  })
  const answers = await floodOf.from(Array<string>(100).fill('203.0.113.9'), (from) =>
    guess(from, made.client_id),
  )
  expect(withStatus(answers, 401).length).toBeLessThan(20)
  expect(withStatus(answers, 401).length + withStatus(answers, 429).length).toBe(100)
  const right = await postToken(notes, {
    grant_type: 'refresh_token',
    client_id: made.client_id,
    client_secret: made.client_secret,
    refresh_token: 'cc_rt_of_nobody',
  })
  expect(await right.json()).toMatchObject({ error: 'invalid_grant' })
})

test('guesses at one client from many addresses are told to stop too, and addresses of one /64 are one', async () => {
  restUp()
  const many = await floodOf.from(fromHundred(3), (from) => guess(from, 'client_guessed'))
  expect(withStatus(many, 401).length).toBeLessThan(150)
  const network = Array.from({ length: 100 }, (_, index) => `2001:db8:0:7::${index.toString(16)}`)
  const alike = await floodOf.from(network, (from) => guess(from, `client_${from}`))
  expect(withStatus(alike, 401).length).toBeLessThan(20)
})

test('a client that asks too often for tokens waits, and keeps no other waiting', async () => {
  restUp()
  const asked = refreshing({ client_id: notes.clientId })
  const noisy = await floodOf.from(Array<string>(200).fill('203.0.113.10'), asked)
  expect(withStatus(noisy, 429).length).toBeGreaterThan(100)
  // The id of a public client is no secret: elsewhere it goes on.
  expect((await floodOf.forwarded(asked('203.0.113.11'))).status).toBe(400)
})

test('an address that is many clients is told to wait; what an administrator made is served from there, and others elsewhere', async () => {
  restUp()
  const crowded = '203.0.113.12'
  const secret = { token_endpoint_auth_method: 'client_secret_post' }
  const registered = await floodOf.from(hundred.slice(0, 4), (from) =>
    registration(from, from.endsWith('.3') ? secret : {}),
  )
  const [one = {}, two = {}, three = {}, own = {}] = registered.map(({ body }) => JSON.parse(body))
  const made = await notes.gateway.admin<Record<string, string>>('POST', '/clients', {
    redirect_uris: ['https://client.test/cb'],
    ...secret,
  })
  const forty = (make: (from: string) => Sent) => floodOf.from(Array<string>(40).fill(crowded), make)
  const code = { grant_type: 'authorization_code', client_id: two.client_id, code: 'cc_code_x' }
  const wrong = [
    ...(await forty(refreshing({ client_id: one.client_id }))),
    ...(await forty(posted('/oauth/token', code))),
  ]
  expect(withStatus(wrong, 400)).toHaveLength(80)
  const revoke = posted('/oauth/revoke', { client_id: three.client_id, token: 'cc_rt_x' })
  expect(withStatus(await forty(revoke), 200)).toHaveLength(40)

  const mine = refreshing({ client_id: other.clientId, refresh_token: tokens.refresh_token })(crowded)
  expect(await floodOf.forwarded(mine)).toMatchObject({ status: 429, wait: 1 })
  const bySecret = async ({ client_id = '', client_secret = '' }: Record<string, string>) =>
    (await floodOf.forwarded(refreshing({ client_id, client_secret })(crowded))).status
  expect([await bySecret(own), await bySecret(made)]).toEqual([429, 400])
  const elsewhere = refreshing({ client_id: one.client_id })('203.0.113.13')
  expect((await floodOf.forwarded(elsewhere)).status).toBe(400)
  // Nothing is lost by having waited, nor by an answer that was lost.
  notes.clock.advance(1)
  const [first, again] = [await floodOf.forwarded(mine), await floodOf.forwarded(mine)]
  expect([first.status, again.status]).toEqual([200, 200])
  tokens = JSON.parse(first.body)
  expect(JSON.parse(again.body).refresh_token).toBe(tokens.refresh_token)
})

test('two hundred who ask whether it is ready cost one write, and take no place of anybody’s', async () => {
  restUp()
  const { gateway } = notes.gateway.running()
  const { ready } = gateway
  let writes = 0
  gateway.ready = () => {
    writes += 1
    return ready()
  }
  const ask = async () => await (await fetch(`${notes.gateway.url}/readyz`)).text()
  const release = await notes.gateway.database.holdWrites()
  const answers = Promise.all(Array.from({ length: 200 }, ask))
  await until(() => writes > 0)
  expect(await introspect(notes, tokens.access_token)).toMatchObject({ active: true })
  expect(gateway.load.underWay()).toBe(0)
  await release()
  expect([...new Set(await answers), writes]).toEqual(['{"status":"ok"}', 1])
  notes.clock.advance(1)
  expect([await ask(), writes]).toEqual(['{"status":"ok"}', 2])
})

test('a noisy MCP server is told to wait, and no other is (RT-19)', async () => {
  restUp()
  const quiet = await notes.open('quiet', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  const { tsid } = stay
  const ask = { credential: notes.credential, tsid, userToken: tokens.access_token, provider: 'github' }
  const noisy = await Promise.all(
    Array.from({ length: limits.retrievals_per_resource * 10 }, () => askRest(notes.gateway, ask)),
  )
  expect(noisy.filter(({ status }) => status === 429).length).toBeGreaterThan(200)
  expect((await askRest(notes.gateway, { ...ask, credential: quiet.credential })).status).toBe(404)
})

test('who guesses token sessions is told to stop, and the right one is answered (RT-07)', async () => {
  restUp()
  const { tsid } = stay
  const ask = { credential: notes.credential, tsid, userToken: tokens.access_token, provider: 'github' }
  const guesses = Array.from({ length: 20 }, (_, index) =>
    askRest(notes.gateway, { ...ask, tsid: `ts_${index}` }),
  )
  const statuses = (await Promise.all(guesses)).map(({ status }) => status)
  expect(new Set(statuses)).toEqual(new Set([404, 429]))
  expect((await askRest(notes.gateway, ask)).status).toBe(200)
})

// What each process does every second, and nothing but its own turns.
test('what was taken is told to other processes, how late the event loop is is looked at, and what takes too long is ended', async () => {
  const { load } = notes.gateway.running().gateway
  const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<void>()
  load.begin({ since: performance.now() - answerDeadline, giveUp })
  load.noteLag(100_000)
  expect((await floodOf.forwarded(registration('203.0.113.14'))).status).toBe(503)
  await until(async () => (await floodOf.forwarded(registration('203.0.113.14'))).status !== 503)
  await givenUp
  await until(async () => (await notes.gateway.database.rows('SELECT rate FROM rate_levels')).length > 0)
})
