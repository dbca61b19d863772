import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connectAnother } from '../support/connecting.ts'
import { type Answer, type Ask, askExchange, askRest } from '../support/faces.ts'
import { type FailingStore, failingStore } from '../support/failing-store.ts'
import { enter, type House, type Room, type Stay, startHouse } from '../support/house.ts'
import { newBrowser } from '../support/world.ts'

// Every row of the table in which retrieval explains itself, on both of its faces, and the order of the rows.

let house: House
let store: FailingStore
const tokenRoute = 'POST /login/oauth/access_token'

beforeAll(async () => {
  house = await startHouse()
  store = failingStore(house.gateway.running().gateway.store)
  // Shorter than the access tokens of the gateway, so that one ends while the other lives.
  house.github.control.set({ accessLifetime: 1200 })
})
afterAll(() => house.stop())
afterEach(() => {
  store.heal()
  house.github.control.clearScripts()
})

let rooms = 0
const openRoom = (scopes: string[], more: Record<string, unknown> = {}) =>
  house.open(`room${++rooms}`, { providers: [{ provider: 'github', scopes }], ...more })

const change = (room: Room, definition: Record<string, unknown>) =>
  house.gateway.admin('PUT', `/resources/${room.id}`, { resource: room.uri, name: room.id, ...definition })

type Scene = Ask & { room: Room; stay: Stay }

/** A new person with a session at a new MCP server, and the plain question for their token. */
async function scene(scopes = ['repo', 'gist'], more: Record<string, unknown> = {}): Promise<Scene> {
  house.newPerson()
  const room = await openRoom(scopes, more)
  const stay = await enter(house, room, { browser: newBrowser() })
  const { tsid, tokens } = stay
  return {
    room,
    stay,
    credential: room.credential,
    tsid,
    userToken: tokens.access_token,
    provider: 'github',
  }
}

/** The same, its upstream token at its end. */
async function expired(): Promise<Scene> {
  const made = await scene()
  house.clock.advance(1201)
  return made
}

const respond = (status: number, body: Record<string, unknown> | string = '', headers = {}) =>
  house.github.control.script({
    on: tokenRoute,
    times: 'always',
    effect: { kind: 'respond', status, headers, body },
  })

type Row = {
  code: string
  rest: number
  oauth: [error: string, status: number]
  who: 'user' | 'admin' | 'caller' | 'nobody'
  arrange: () => Promise<Ask>
  /** What the body says beyond its code. */
  facts?: () => Record<string, unknown>
}

const connectUrl = () =>
  expect.stringMatching(new RegExp(`^${house.gateway.issuer}/connect/cc_link_[\\w-]{43}$`))

const rows: Row[] = [
  {
    code: 'invalid_resource_credential',
    rest: 401,
    oauth: ['invalid_client', 401],
    who: 'caller',
    async arrange() {
      const made = await scene()
      return { ...made, credential: { ...made.credential, secret: 'wrong' } }
    },
  },
  {
    code: 'invalid_request',
    rest: 400,
    oauth: ['invalid_request', 400],
    who: 'caller',
    arrange: async () => ({ ...(await scene()), wish: { min_ttl: 'a while' } }),
  },
  {
    code: 'too_many_requests',
    rest: 429,
    oauth: ['temporarily_unavailable', 429],
    who: 'caller',
    async arrange() {
      const made = await scene()
      const { rates } = house.gateway.running().gateway
      const counted = rates.retrievals_per_resource
      rates.retrievals_per_resource = {
        ...counted,
        take: (key, now) => (key === made.room.id ? 7 : counted.take(key, now)),
        wait: (key, now) => (key === made.room.id ? 7 : counted.wait(key, now)),
      }
      return made
    },
    facts: () => ({ retry_after: 7 }),
  },
  {
    code: 'unknown_token_session',
    rest: 404,
    oauth: ['invalid_grant', 400],
    who: 'caller',
    async arrange() {
      const made = await scene()
      await fetch(`${house.gateway.issuer}/oauth/revoke`, {
        method: 'POST',
        body: new URLSearchParams({ client_id: house.clientId, token: made.stay.tokens.refresh_token }),
      })
      return made
    },
  },
  {
    code: 'invalid_user_token',
    rest: 401,
    oauth: ['invalid_grant', 400],
    who: 'caller',
    arrange: async () => ({ ...(await scene()), userToken: 'nonsense', withHeader: true }),
  },
  {
    code: 'not_allowed',
    rest: 403,
    oauth: ['access_denied', 400],
    who: 'admin',
    arrange: async () => ({ ...(await scene()), wish: { scope: 'admin:org' } }),
  },
  {
    code: 'account_selection_required',
    rest: 409,
    oauth: ['interaction_required', 400],
    who: 'caller',
    async arrange() {
      const made = await scene()
      await connectAnother(house, made.room, made.stay)
      return made
    },
    facts: () => ({
      accounts: [
        { id: expect.stringMatching(/^acct_[\w-]{22}$/), label: expect.stringMatching(/^person\d+$/) },
        { id: expect.stringMatching(/^acct_[\w-]{22}$/), label: expect.stringMatching(/^person\d+$/) },
      ],
    }),
  },
  {
    code: 'not_connected',
    rest: 404,
    oauth: ['interaction_required', 400],
    who: 'user',
    async arrange() {
      const made = await scene(['repo', 'gist'])
      await change(made.room, { providers: [{ provider: 'github', scopes: ['gist'] }] })
      return made
    },
    facts: () => ({ connect_url: connectUrl() }),
  },
  {
    code: 'needs_reauthorization',
    rest: 424,
    oauth: ['interaction_required', 400],
    who: 'user',
    async arrange() {
      const made = await expired()
      respond(200, { error: 'bad_refresh_token', error_description: 'upstream words' })
      return made
    },
    facts: () => ({ connect_url: connectUrl(), since: expect.any(Number), reason: 'bad_refresh_token' }),
  },
  {
    code: 'insufficient_upstream_scope',
    rest: 403,
    oauth: ['insufficient_scope', 400],
    who: 'user',
    async arrange() {
      const made = await scene(['gist'])
      await change(made.room, { providers: [{ provider: 'github', scopes: ['gist', 'repo', 'read:org'] }] })
      return { ...made, wish: { scope: 'gist read:org' } }
    },
    facts: () => ({ connect_url: connectUrl(), missing_scopes: ['read:org'] }),
  },
  {
    code: 'provider_misconfigured',
    rest: 502,
    oauth: ['server_error', 400],
    who: 'admin',
    async arrange() {
      const made = await expired()
      respond(200, { error: 'incorrect_client_credentials', error_description: 'upstream words' })
      return made
    },
  },
  {
    code: 'upstream_rate_limited',
    rest: 429,
    oauth: ['temporarily_unavailable', 429],
    who: 'nobody',
    async arrange() {
      const made = await expired()
      respond(429, 'upstream words', { 'retry-after': '17' })
      return made
    },
    facts: () => ({ retry_after: 17 }),
  },
  {
    code: 'upstream_unavailable',
    rest: 503,
    oauth: ['temporarily_unavailable', 503],
    who: 'nobody',
    async arrange() {
      // A rate limit of the row above rests the provider for a while.
      house.clock.advance(31)
      const made = await expired()
      respond(502, '<h1>upstream words</h1>')
      return made
    },
    facts: () => ({ retry_after: 30 }),
  },
  {
    code: 'gateway_unavailable',
    rest: 503,
    oauth: ['temporarily_unavailable', 503],
    who: 'admin',
    async arrange() {
      const made = await scene()
      store.arm(['grants.recordRelease'], 'before')
      return made
    },
    facts: () => ({ retry_after: 5 }),
  },
]

const always = ['error', 'error_code', 'error_description', 'who_must_act']

function expectRow(answer: Answer, row: Row, [error, status]: [string, number]): void {
  const facts = row.facts?.() ?? {}
  expect(answer.body).toMatchObject({ error, error_code: row.code, who_must_act: row.who, ...facts })
  expect(answer.status).toBe(status)
  expect(Object.keys(answer.body).sort()).toEqual([...always, ...Object.keys(facts)].sort())
  expect(answer.body.error_description).toMatch(/^[\x20\x21\x23-\x5B\x5D-\x7E]+$/)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.headers.get('retry-after')).toBe(
    facts.retry_after === undefined ? null : String(facts.retry_after),
  )
  const isUnauthorized = status === 401 && row.code === 'invalid_resource_credential'
  expect(answer.headers.get('www-authenticate')?.startsWith('Basic ') ?? false).toBe(isUnauthorized)
  expect(JSON.stringify(answer.body)).not.toContain('upstream words')
}

describe.each(rows)('$code', (row) => {
  test(`is ${row.rest} of the REST face, and ${row.who} must act`, async () => {
    const ask = await row.arrange()
    expectRow(await askRest(house.gateway, ask), row, [row.oauth[0], row.rest])
  })

  test(`is ${row.oauth[0]} with ${row.oauth[1]} at the token endpoint`, async () => {
    const ask = await row.arrange()
    expectRow(await askExchange(house.gateway, ask), row, row.oauth)
  })
})

describe('of several reasons the first of the table is told', () => {
  const both = async (ask: Ask, expected: string) => {
    expect((await askRest(house.gateway, ask)).body.error_code).toBe(expected)
    expect((await askExchange(house.gateway, ask)).body.error_code).toBe(expected)
  }

  test('a wrong credential before a request that cannot be read', async () => {
    const made = await scene()
    const credential = { ...made.credential, secret: 'wrong' }
    await both({ ...made, credential, wish: { min_ttl: '-1' } }, 'invalid_resource_credential')
  })

  test('a request that cannot be read before a session that does not exist', async () => {
    const made = await scene()
    await both({ ...made, tsid: 'ts_none', userToken: 'x', wish: { account: 'ada' } }, 'invalid_request')
  })

  test('a session that does not exist before a user token that is none', async () => {
    const made = await scene()
    const ask = { ...made, tsid: 'ts_none', userToken: 'nonsense', withHeader: true }
    expect((await askRest(house.gateway, ask)).body.error_code).toBe('unknown_token_session')
  })

  test('a user token that is none before a provider that is not allowed', async () => {
    const made = await scene()
    await both({ ...made, userToken: 'nonsense', withHeader: true, provider: 'google' }, 'invalid_user_token')
  })

  test('a scope that is not allowed before the choice between accounts', async () => {
    const made = await scene()
    await connectAnother(house, made.room, made.stay)
    await both({ ...made, wish: { scope: 'delete_repo' } }, 'not_allowed')
    await both(made, 'account_selection_required')
  })

  test('a dead connection before the scopes it lacks', async () => {
    const made = await scene(['gist'])
    await change(made.room, { providers: [{ provider: 'github', scopes: ['gist', 'read:org'] }] })
    house.clock.advance(1201)
    respond(200, { error: 'bad_refresh_token' })
    await both(made, 'needs_reauthorization')
    await both({ ...made, wish: { scope: 'read:org' } }, 'needs_reauthorization')
  })

  test('lacking scopes before an outage', async () => {
    const made = await scene(['gist'])
    await change(made.room, { providers: [{ provider: 'github', scopes: ['gist', 'read:org'] }] })
    house.clock.advance(1201)
    respond(503)
    await both({ ...made, wish: { scope: 'read:org' } }, 'insufficient_upstream_scope')
  })
})
