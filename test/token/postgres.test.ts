import { afterAll, beforeAll, expect, test } from 'vitest'
import { askExchange, askRest } from '../support/faces.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import { startPostgres, type TestServer } from '../support/postgres.ts'
import {
  authorize,
  basic,
  introspect,
  newBrowser,
  postToken,
  redeem,
  refresh,
  registerClient,
  retrieve,
  signIn,
  type Tokens,
  tsidOf,
} from '../support/world.ts'

// What depends on the database doing one thing at a time, on the database that does many.

let server: TestServer
let notes: Notes
const browser = newBrowser()
const rounds = 20

beforeAll(async () => {
  server = await startPostgres()
  const url = await server.createDatabase()
  notes = await startNotes({ env: () => ({ COATCHECK_DATABASE_URL: url }) })
})
afterAll(async () => {
  await notes.stop()
  await server.stop()
})

test('a code redeemed by twenty at the same moment buys tokens once, and the replay ends them', async () => {
  for (let round = 0; round < rounds; round++) {
    const authorized = await authorize(notes, { browser })
    const answers = await Promise.all(Array.from({ length: 20 }, () => redeem(notes, authorized)))
    expect(answers.map(({ status }) => status).sort()).toEqual([
      200,
      ...Array.from({ length: 19 }, () => 400),
    ])
    for (const winner of answers.filter(({ status }) => status === 200)) {
      const { refresh_token: token } = (await winner.json()) as Tokens
      expect((await refresh(notes, token)).status).toBe(400)
    }
  }
})

test('a refresh token used by twenty at the same moment has one successor', async () => {
  let { refresh_token: current } = (await signIn(notes, { browser })).tokens
  for (let round = 0; round < rounds; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(notes, current)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as Tokens[]
    const successors = new Set(bodies.map((body) => body.refresh_token))
    expect(successors.size).toBe(1)
    current = [...successors][0] ?? ''
  }
})

test('a refresh and a revocation at the same moment leave nothing alive', async () => {
  for (let round = 0; round < rounds; round++) {
    const { tokens, tsid } = await signIn(notes, { browser })
    const revoke = fetch(`${notes.gateway.issuer}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: notes.clientId, token: tokens.refresh_token }),
    })
    const [refreshed, revoked] = await Promise.all([refresh(notes, tokens.refresh_token), revoke])
    expect(revoked.status).toBe(200)
    const { refresh_token: successor } = (await refreshed.json()) as Partial<Tokens>
    for (const token of [tokens.refresh_token, successor ?? 'none']) {
      expect((await refresh(notes, token)).status).toBe(400)
    }
    expect((await retrieve(notes, tsid)).status).toBe(404)
  }
})

test('a second use outside the grace, by twenty at the same moment, ends the family once', async () => {
  const { tokens } = await signIn(notes, { browser })
  await refresh(notes, tokens.refresh_token)
  notes.clock.advance(32)
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(notes, tokens.refresh_token)))
  expect(answers.every(({ status }) => status === 400)).toBe(true)
  const { items } = await notes.gateway.admin<{ items: { outcome: string }[] }>(
    'GET',
    '/audit-events?event=token.reused&limit=200',
  )
  expect(items.filter(({ outcome }) => outcome === 'refresh_token')).toHaveLength(1)
})

test('fifty retrievals of an expired token cost one refresh, and each is recorded', async () => {
  const { tokens, tsid } = await signIn(notes, { browser })
  notes.clock.advance(8 * 3600)
  await refresh(notes, tokens.refresh_token)
  const route = 'POST /login/oauth/access_token'
  const before = notes.github.calls(route).length
  const answers = await Promise.all(Array.from({ length: 50 }, () => retrieve(notes, tsid)))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  expect(notes.github.calls(route)).toHaveLength(before + 1)
})

test('of twelve sessions of one client the two longest idle have ended', async () => {
  const clientId = await registerClient(notes.gateway)
  const one = { ...notes, clientId }
  const mine = newBrowser()
  const sessions: Tokens[] = []
  for (let count = 0; count < 12; count++) {
    sessions.push((await signIn(one, { browser: mine })).tokens)
    notes.clock.advance(1)
  }
  const states = await Promise.all(sessions.map(async (each) => (await retrieve(one, tsidOf(each))).status))
  expect(states).toEqual([404, 404, ...Array.from({ length: 10 }, () => 200)])
})

test('characters PostgreSQL cannot hold are the caller’s error, wherever they stand', async () => {
  const { tokens, tsid } = await signIn(notes, { browser })
  const ask = { credential: notes.credential, tsid, userToken: tokens.access_token, provider: 'github' }
  for (const odd of ['\u0000', 'a\u0000b', '\uD800', '\uFFFF', '💥']) {
    const text = odd.toWellFormed()
    const answers = [
      await postToken(notes, { grant_type: 'refresh_token', client_id: text, refresh_token: text }),
      await postToken(notes, { grant_type: text, client_id: notes.clientId }),
      await postToken(
        notes,
        { grant_type: 'authorization_code', client_id: notes.clientId, code: text, code_verifier: text },
        {},
      ),
      await postToken(
        notes,
        { grant_type: 'refresh_token' },
        { authorization: basic({ id: `client_${text}`, secret: text }) },
      ),
      await postToken(
        notes,
        { grant_type: 'refresh_token' },
        { authorization: basic({ id: `resource_${text}`, secret: text }) },
      ),
      await fetch(`${notes.gateway.issuer}/v1/token-sessions/${tsid}/connect/${encodeURIComponent(text)}`, {
        headers: { authorization: basic(notes.credential) },
      }),
      await fetch(`${notes.gateway.issuer}/v1/token-sessions/${tsid}/connect/github`, {
        method: 'POST',
        headers: { authorization: basic(notes.credential), 'content-type': 'application/json' },
        body: JSON.stringify({ scope: odd }),
      }),
      await askRest(notes.gateway, { ...ask, tsid: text }),
      await askRest(notes.gateway, { ...ask, provider: text }),
      await askRest(notes.gateway, { ...ask, wish: { scope: text } }),
      await askExchange(notes.gateway, { ...ask, provider: text }),
      await askExchange(notes.gateway, { ...ask, userToken: text }),
    ]
    for (const { status } of answers) {
      expect(status).toBeGreaterThanOrEqual(400)
      expect(status).toBeLessThan(500)
    }
    expect(await introspect(notes, text)).not.toMatchObject({ active: true })
  }
})
