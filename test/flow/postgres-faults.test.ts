import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Notes, startNotes } from '../support/notes.ts'
import { type Pooler, startPooler } from '../support/pooler.ts'
import { runOn, startPostgres, type TestServer } from '../support/postgres.ts'
import {
  authorize,
  introspect,
  newBrowser,
  redeem,
  refresh,
  retrieve,
  signIn,
  type Tokens,
} from '../support/world.ts'

// What a client, an MCP server and whoever watches see while PostgreSQL fails: a 503 that says when to come again, and
// afterwards nothing lost and nothing done twice.

let server: TestServer
let pooler: Pooler
let notes: Notes
let url: string
const browser = newBrowser()

beforeAll(async () => {
  server = await startPostgres()
  pooler = await startPooler(server.folder)
  url = await server.createDatabase()
  notes = await startNotes({
    env: () => ({ COATCHECK_DATABASE_URL: pooler.urlOf(url), COATCHECK_DATABASE_TIMEOUT: '2' }),
  })
})
afterAll(async () => {
  await notes.stop()
  await pooler.stop()
  await server.stop()
})
beforeEach(() => notes.clock.advance(60))

const ready = (house: Notes) => fetch(`${house.gateway.url}/readyz`)

type Answer = Pick<Response, 'status' | 'headers'>

function expectUnavailable({ status, headers }: Answer): void {
  expect(status).toBe(503)
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
}

/** Everything the gateway is asked, on all of its kinds of answers. */
async function askAll(house: Notes, { tokens, tsid }: { tokens: Tokens; tsid: string }): Promise<Answer[]> {
  const { url: gateway, adminToken } = house.gateway
  return await Promise.all([
    refresh(house, tokens.refresh_token),
    retrieve(house, tsid),
    fetch(`${gateway}/admin/v1/subjects`, { headers: { authorization: `Bearer ${adminToken}` } }),
    fetch(`${gateway}/account`, { headers: { cookie: `coatcheck_session=cc_session_${'a'.repeat(43)}` } }),
    fetch(`${gateway}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: house.clientId, token: tokens.refresh_token }),
    }),
  ])
}

test('a refresh whose COMMIT is cut off is a 503, and the same again gets the one successor there is', async () => {
  for (const mishap of ['cut', 'lose'] as const) {
    const { tokens } = await signIn(notes, { browser })
    pooler.befall(/insert into "refresh_tokens"/, mishap, 'at its commit')
    expectUnavailable(await refresh(notes, tokens.refresh_token))
    const [again, once] = await Promise.all([
      refresh(notes, tokens.refresh_token),
      refresh(notes, tokens.refresh_token),
    ])
    expect([again.status, once.status]).toEqual([200, 200])
    const [one, other] = (await Promise.all([again.json(), once.json()])) as [Tokens, Tokens]
    expect(one.refresh_token).toBe(other.refresh_token)
    expect((await refresh(notes, one.refresh_token)).status).toBe(200)
  }
})

test('a code whose COMMIT is cut off buys tokens once or not at all, and never twice', async () => {
  const cut = await authorize(notes, { browser })
  pooler.befall(/insert into "refresh_tokens"/, 'cut', 'at its commit')
  expectUnavailable(await redeem(notes, cut))
  expect((await redeem(notes, cut)).status).toBe(200)
  const lost = await authorize(notes, { browser })
  pooler.befall(/insert into "refresh_tokens"/, 'lose', 'at its commit')
  expectUnavailable(await redeem(notes, lost))
  expect((await redeem(notes, lost)).status).toBe(400)
})

test('a revocation whose COMMIT is lost is asked again, and holds', async () => {
  for (const mishap of ['cut', 'lose'] as const) {
    const { tokens } = await signIn(notes, { browser })
    const revoke = () =>
      fetch(`${notes.gateway.url}/oauth/revoke`, {
        method: 'POST',
        body: new URLSearchParams({ client_id: notes.clientId, token: tokens.refresh_token }),
      })
    pooler.befall(/^update "grants"/, mishap, 'at its commit')
    expectUnavailable(await revoke())
    expect((await revoke()).status).toBe(200)
    expect(await introspect(notes, tokens.access_token)).toEqual({ active: false })
  }
})

test('a refresh at the provider whose storing is lost is made once, and its tokens are served', async () => {
  for (const mishap of ['cut', 'lose'] as const) {
    const { tokens, tsid } = await signIn(notes, { browser })
    notes.clock.advance(28_801)
    await refresh(notes, tokens.refresh_token)
    const route = 'POST /login/oauth/access_token'
    const before = notes.github.calls(route).length
    pooler.befall(/^update "connections" set .*"sealed_refresh_token"/, mishap, 'at its commit')
    await retrieve(notes, tsid)
    await notes.gateway.running().gateway.tendRefreshes()
    expect((await retrieve(notes, tsid)).status).toBe(200)
    expect(notes.github.calls(route)).toHaveLength(before + 1)
  }
})

test('whatever breaks before a COMMIT, nobody notices', async () => {
  const { tokens, tsid } = await signIn(notes, { browser })
  const terminate = () =>
    server.run(
      `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '${new URL(url).pathname.slice(1)}'`,
    )
  const works = async () => {
    expect((await retrieve(notes, tsid)).status).toBe(200)
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
  }
  for (const pattern of [/^BEGIN/, /^insert into "audit_events"/, /^select/, /"refresh_tokens"/]) {
    pooler.befall(pattern, 'cut')
    await works()
  }
  for (let round = 0; round < 5; round++) {
    await terminate()
    await works()
  }
})

test('what the server refuses for want of room, or as a standby, is a 503 until that is over', async () => {
  const session = await signIn(notes, { browser })
  for (const state of ['53100', '25006', '58030', '53200']) {
    await runOn(
      url,
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'cannot' USING ERRCODE = '${state}'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse()`,
    )
    expectUnavailable(await retrieve(notes, session.tsid))
    expectUnavailable(await refresh(notes, session.tokens.refresh_token))
    await runOn(url, 'DROP TRIGGER refuse ON audit_events; DROP FUNCTION refuse()')
    expect((await retrieve(notes, session.tsid)).status).toBe(200)
  }
  expect((await refresh(notes, session.tokens.refresh_token)).status).toBe(200)
})

describe.each([
  ['PostgreSQL', (own: string) => own],
  ['the server behind a pooler', (own: string) => pooler.urlOf(own)],
])('while %s is away', (_what, wayTo) => {
  test('everything is a 503, and nothing once it is back', async () => {
    const own = wayTo(await server.createDatabase())
    const house = await startNotes({ env: () => ({ COATCHECK_DATABASE_URL: own }) })
    const session = await signIn(house, { browser: newBrowser() })
    expect((await ready(house)).status).toBe(200)
    // Under way while it goes.
    const underWay = Array.from({ length: 20 }, () => retrieve(house, session.tsid))
    await server.halt()
    const statuses = new Set((await Promise.all(underWay)).map(({ status }) => status))
    expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([])
    for (const answer of await askAll(house, session)) expectUnavailable(answer)
    // Whether it is ready is looked at once a second.
    house.clock.advance(1)
    expectUnavailable(await ready(house))
    expect((await fetch(`${house.gateway.url}/healthz`)).status).toBe(200)
    await server.resume()
    house.clock.advance(1)
    expect((await ready(house)).status).toBe(200)
    expect((await retrieve(house, session.tsid)).status).toBe(200)
    expect((await refresh(house, session.tokens.refresh_token)).status).toBe(200)
    await house.stop()
  })
})

test('signing in, refreshing, retrieving and revoking left nothing in a session', () => {
  expect(pooler.changes()).toBeGreaterThan(100)
  expect(pooler.violations()).toEqual([])
})
