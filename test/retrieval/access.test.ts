import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { requestLink } from '../support/connecting.ts'
import { type Answer, askExchange, askRest } from '../support/faces.ts'
import { enter, type Room } from '../support/house.ts'
import { type Notes, notesDefinition, startNotes } from '../support/notes.ts'
import { basic, newBrowser, refresh, retrieve, signIn, type Tokens } from '../support/world.ts'

let notes: Notes
let other: Room
let tokens: Tokens
let tsid: string
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
  other = await notes.open('other', { providers: [{ provider: 'github', scopes: ['repo', 'gist'] }] })
})
afterAll(() => notes.stop())
beforeEach(async () => {
  const session = await signIn(notes, { browser })
  tokens = session.tokens
  tsid = session.tsid
})

const url = (path: string) => `${notes.gateway.issuer}/v1/token-sessions/${path}`
const auth = () => ({ authorization: basic(notes.credential) })
const ask = () => ({ credential: notes.credential, tsid, userToken: tokens.access_token, provider: 'github' })

describe('an answer', () => {
  test('is the token, what it may and whose it is, and nothing more', async () => {
    const rest = await retrieve(notes, tsid)
    expect(rest.status).toBe(200)
    expect(rest.body).toEqual({
      access_token: expect.stringMatching(/^gho_/),
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'gist read:user repo user:email',
      provider: 'github',
      account: { id: expect.stringMatching(/^acct_[\w-]{22}$/), label: expect.stringMatching(/^person/) },
    })
    expect(rest.headers.get('cache-control')).toBe('no-store')
    const exchange = await askExchange(notes.gateway, ask())
    expect(exchange.body).toEqual({
      ...rest.body,
      expires_in: expect.any(Number),
      issued_token_type: 'urn:coatcheck:token-type:upstream-access-token',
    })
    expect(exchange.headers.get('cache-control')).toBe('no-store')
    for (const { body } of [rest, exchange]) {
      expect(JSON.stringify(body)).not.toMatch(/ghr_|refresh|id_token|con_|person\d+@/)
    }
  })

  test('tells how long the token really lives', async () => {
    const first = await retrieve(notes, tsid)
    notes.clock.advance(100)
    const second = await retrieve(notes, tsid)
    expect(Number(first.body.expires_in) - Number(second.body.expires_in)).toBeGreaterThanOrEqual(99)
    expect(second.body.access_token).toBe(first.body.access_token)
  })

  test('is the same to everybody who asks with the session, and recorded each time before it leaves', async () => {
    const list = async () =>
      (
        await notes.gateway.admin<{ items: Record<string, unknown>[] }>(
          'GET',
          '/audit-events?event=upstream_token.released&limit=200',
        )
      ).items
    const before = (await list()).length
    await retrieve(notes, tsid)
    await askExchange(notes.gateway, ask())
    const items = await list()
    expect(items).toHaveLength(before + 2)
    expect(items[0]).toMatchObject({
      actor: `resource:${notes.credential.id}`,
      client_id: notes.clientId,
      resource_id: 'notes',
      provider: 'github',
      outcome: 'ok',
    })
    expect(JSON.stringify(items)).not.toContain(tsid)
    expect(JSON.stringify(items)).not.toContain('gho_')
  })
})

describe('a credential', () => {
  test.each([
    ['none', {}],
    ['an empty one', { authorization: '' }],
    ['a wrong secret', { authorization: `Basic ${Buffer.from('resource_x:y').toString('base64')}` }],
    ['a bearer that is no assertion', { authorization: 'Bearer abc' }],
    ['a cookie', { cookie: 'session=1' }],
  ])('that is %s is told the same on every path', async (_what, headers) => {
    const paths: [string, string][] = [
      ['GET', tsid],
      ['GET', `${tsid}/tokens/github`],
      ['GET', 'ts_unknown/tokens/github'],
      ['POST', `${tsid}/connect/github`],
      ['GET', `${tsid}/connect/cc_link_x`],
    ]
    const seen = new Set<string>()
    for (const [method, path] of paths) {
      const response = await fetch(url(path), { method, headers: headers as Record<string, string> })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toMatch(/^Basic /)
      expect(response.headers.get('cache-control')).toBe('no-store')
      seen.add(await response.text())
    }
    expect(seen.size).toBe(1)
  })

  test('in the query or the body is none', async () => {
    const { id, secret } = notes.credential
    const query = new URLSearchParams({
      client_id: id,
      client_secret: secret,
      access_token: tokens.access_token,
    })
    expect((await fetch(url(`${tsid}/tokens/github?${query}`))).status).toBe(401)
  })

  test('of another resource gets nothing of this session, nor does the user token help', async () => {
    const asOther = { ...ask(), credential: other.credential, withHeader: true }
    const calls = notes.github.log().length
    const rest = await askRest(notes.gateway, asOther)
    expect(rest.body.error_code).toBe('unknown_token_session')
    const exchange = await askExchange(notes.gateway, asOther)
    expect(exchange.body.error_code).toBe('invalid_user_token')
    for (const [method, path] of [
      ['GET', tsid],
      ['POST', `${tsid}/connect/github`],
    ] as const) {
      const response = await fetch(url(path), { method, headers: { authorization: basic(other.credential) } })
      expect(response.status).toBe(404)
    }
    expect(notes.github.log()).toHaveLength(calls)
  })
})

describe('a tsid', () => {
  test('that is unknown, foreign, mangled, ended or odd gets one answer', async () => {
    const foreign = await enter(notes, other, { browser })
    const odd = [
      'ts_unknown',
      foreign.tsid,
      tsid.slice(0, -1),
      `${tsid}A`,
      tsid.toUpperCase(),
      tsid.replace('ts_', ''),
      "' or 1=1--",
      '__proto__',
      '💥',
      'x'.repeat(200),
      'x'.repeat(10_000),
      `grant_${tsid}`,
    ]
    const answers = new Set<string>()
    for (const text of odd) {
      const segment = encodeURIComponent(text)
      for (const path of [segment, `${segment}/tokens/github`]) {
        const response = await fetch(url(path), { headers: auth() })
        const body = await response.text()
        expect([response.status, text]).toEqual([404, text])
        expect(response.headers.get('cache-control')).toBe('no-store')
        answers.add(body)
      }
    }
    expect([...answers]).toHaveLength(1)
  })

  test('before its code is redeemed opens nothing', async () => {
    const { store } = notes.gateway.running().gateway
    const { findByTsid } = store.grants
    store.grants.findByTsid = async (text) => {
      const grant = await findByTsid(text)
      return grant && { ...grant, accessEndsAt: null }
    }
    expect((await retrieve(notes, tsid)).body.error_code).toBe('unknown_token_session')
    store.grants.findByTsid = findByTsid
  })

  test('in bad percent-encoding, or with a zero character, is an error of the caller', async () => {
    const odd = [
      '%zz',
      '%',
      '%zz/tokens/github',
      `${tsid}/tokens/%ff`,
      '%00',
      `${tsid}%00`,
      `${tsid}/tokens/%00`,
    ]
    for (const path of odd) {
      const response = await fetch(url(path), { headers: auth() })
      expect(response.status).toBe(400)
      expect(response.headers.get('cache-control')).toBe('no-store')
      const text = await response.text()
      expect(JSON.parse(text)).toMatchObject({ error: 'invalid_request' })
      expect(text).not.toContain('token-sessions')
    }
  })
})

describe('without the person’s token', () => {
  test('a session answers as long as its last access token, refreshes included', async () => {
    notes.clock.advance(3500)
    const { refresh_token: successor } = (await (await refresh(notes, tokens.refresh_token)).json()) as Tokens
    notes.clock.advance(3590)
    expect((await retrieve(notes, tsid)).status).toBe(200)
    notes.clock.advance(10)
    expect((await retrieve(notes, tsid)).body.error_code).toBe('invalid_user_token')
    await refresh(notes, successor)
    expect((await retrieve(notes, tsid)).status).toBe(200)
  })

  test('it answers as much longer as an administrator allowed, and no longer', async () => {
    await notes.gateway.admin('PUT', '/resources/notes', { ...notesDefinition, offline_retrieval: 600 })
    notes.clock.advance(3600 + 590)
    expect((await retrieve(notes, tsid)).status).toBe(200)
    notes.clock.advance(10)
    expect((await retrieve(notes, tsid)).body.error_code).toBe('invalid_user_token')
    await notes.gateway.admin('PUT', '/resources/notes', notesDefinition)
  })

  test('a resource that requires it gets nothing, on any path, and everything with it', async () => {
    await notes.gateway.admin('PUT', '/resources/notes', { ...notesDefinition, require_user_token: true })
    const paths: [string, string][] = [
      ['GET', tsid],
      ['GET', `${tsid}/tokens/github`],
      ['POST', `${tsid}/connect/github`],
      ['GET', `${tsid}/connect/cc_link_x`],
    ]
    for (const [method, path] of paths) {
      const response = await fetch(url(path), { method, headers: auth() })
      expect(response.status).toBe(401)
      expect(await response.json()).toMatchObject({ error_code: 'invalid_user_token' })
      const headers = { ...auth(), 'coatcheck-user-token': tokens.access_token }
      expect((await fetch(url(path), { method, headers })).status).not.toBe(401)
    }
    expect((await askExchange(notes.gateway, ask())).status).toBe(200)
    await notes.gateway.admin('PUT', '/resources/notes', notesDefinition)
  })

  test('one that is not good is never passed over, required or not', async () => {
    for (const userToken of [
      '',
      'x',
      tokens.refresh_token,
      `${tokens.access_token}, ${tokens.access_token}`,
    ]) {
      const answer = await askRest(notes.gateway, { ...ask(), userToken, withHeader: true })
      expect(answer.body.error_code).toBe('invalid_user_token')
    }
  })
})

describe('what a resource may ask for', () => {
  const codeOf = async (answer: Promise<Answer>) => (await answer).body.error_code

  test.each(['google', 'unknown', '__proto__', 'GITHUB', 'github ', 'x'.repeat(200)])(
    'not a provider it does not list: %j',
    async (provider) => {
      expect(await codeOf(askRest(notes.gateway, { ...ask(), provider }))).toBe('not_allowed')
      expect(await codeOf(askExchange(notes.gateway, { ...ask(), provider }))).toBe('not_allowed')
    },
  )

  test.each(['admin:org', 'repo delete_repo', 'REPO', 'rep', '*', 'constructor'])(
    'not a scope it does not list: %s',
    async (scope) => {
      expect(await codeOf(askRest(notes.gateway, { ...ask(), wish: { scope } }))).toBe('not_allowed')
      expect(await codeOf(askExchange(notes.gateway, { ...ask(), wish: { scope } }))).toBe('not_allowed')
    },
  )

  test.each(['repo', 'public_repo', 'repo:status gist', 'read:user', 'user:email repo', ' repo  gist '])(
    'what it lists, what that includes, and who the person is: %s',
    async (scope) => {
      expect((await askRest(notes.gateway, { ...ask(), wish: { scope } })).status).toBe(200)
    },
  )

  test.each([{ min_ttl: '' }, { min_ttl: '0' }, { min_ttl: '9999999' }, { rejected: 'a'.repeat(43) }])(
    'anything of the right form: %j',
    async (wish) => {
      expect((await askRest(notes.gateway, { ...ask(), wish })).status).toBe(200)
    },
  )

  test.each([
    { min_ttl: '-1' },
    { min_ttl: '1.5' },
    { min_ttl: '1e9' },
    { min_ttl: '99999999' },
    { min_ttl: ' 1' },
    { account: 'ada' },
    { account: 'person1@gmail.test' },
    { account: 'acct_' },
    { account: '1000' },
    { rejected: 'abc' },
    { rejected: `${'a'.repeat(43)}=` },
    { scope: 'repo\u0000' },
    { scope: '"repo"' },
  ])('nothing of another form: %j', async (wish) => {
    const fields = wish as Record<string, string>
    expect(await codeOf(askRest(notes.gateway, { ...ask(), wish: fields }))).toBe('invalid_request')
    expect(await codeOf(askExchange(notes.gateway, { ...ask(), wish: fields }))).toBe('invalid_request')
  })

  test('nothing twice', async () => {
    for (const name of ['scope', 'min_ttl', 'account', 'rejected']) {
      const response = await fetch(url(`${tsid}/tokens/github?${name}=a&${name}=a`), { headers: auth() })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error_code: 'invalid_request' })
    }
  })

  test.each([
    { subject_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
    { subject_token_type: '' },
    { requested_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
    { actor_token: 'x' },
    { actor_token: 'x', actor_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
    { provider: '' },
    { subject_token: '' },
  ])('no exchange that means something else: %j', async (more) => {
    const answer = await askExchange(notes.gateway, ask(), more as Record<string, string>)
    expect(answer.body).toMatchObject({ error: 'invalid_request', error_code: 'invalid_request' })
  })
})

describe('other origins', () => {
  test('are told nothing: no CORS, and no OPTIONS', async () => {
    for (const path of [tsid, `${tsid}/tokens/github`]) {
      const headers = { ...auth(), origin: 'https://evil.test' }
      const answer = await fetch(url(path), { headers })
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
      const preflight = await fetch(url(path), {
        method: 'OPTIONS',
        headers: { origin: 'https://evil.test', 'access-control-request-method': 'GET' },
      })
      expect(preflight.status).toBeGreaterThanOrEqual(400)
      expect(preflight.headers.get('access-control-allow-origin')).toBeNull()
    }
  })
})

describe('the list of a session', () => {
  test('names its connections and their state, and no token', async () => {
    const response = await fetch(url(tsid), { headers: auth() })
    expect(response.headers.get('cache-control')).toBe('no-store')
    const body = (await response.json()) as Record<string, unknown>
    expect(body).toMatchObject({
      tsid,
      client_id: notes.clientId,
      scope: 'notes.read',
      connections: [{ provider: 'github', state: 'live', scope: 'gist read:user repo user:email' }],
    })
    expect(JSON.stringify(body)).not.toMatch(/gho_|ghr_|sealed|con_/)
  })
})

describe('a connect link', () => {
  test('is made for what the resource may have, and never for more', async () => {
    const link = await requestLink(notes, notes.room, tsid)
    expect(link).toEqual({
      connect_url: `${notes.gateway.issuer}/connect/${link.ticket}`,
      ticket: expect.stringMatching(/^cc_link_[\w-]{43}$/),
      expires_in: 600,
    })
    await expect(requestLink(notes, notes.room, tsid, { scope: 'admin:org' })).rejects.toThrow('not_allowed')
    await expect(requestLink(notes, notes.room, tsid, {}, 'google')).rejects.toThrow('not_allowed')
  })

  test('does not ask again for what an administrator took from the resource', async () => {
    const held = (await retrieve(notes, tsid)).body.account as { id: string }
    await notes.gateway.admin('PUT', '/resources/notes', {
      ...notesDefinition,
      providers: [{ provider: 'github', scopes: ['gist'] }],
    })
    const { connect_url: connectUrl } = await requestLink(notes, notes.room, tsid, { account: held.id })
    await notes.gateway.admin('PUT', '/resources/notes', notesDefinition)
    const page = await browser.get(connectUrl)
    expect(page.text).toContain('gist')
    expect(page.text).not.toContain('repo')
  })

  test.each([
    ['a list', '[]'],
    ['text', '"x"'],
    ['broken JSON', '{'],
    ['a member nobody knows', '{"prompt":"consent"}'],
    ['a scope that is no text', '{"scope":["repo"]}'],
    ['an account by its label', '{"account":"person1"}'],
    ['an account nobody has', `{"account":"acct_${'a'.repeat(22)}"}`],
    ['a poisoned prototype', '{"__proto__":{"scope":"repo"}}'],
    ['four thousand nested lists', `{"scope":${'['.repeat(4000)}${']'.repeat(4000)}}`],
  ])('is not made of %s', async (_what, body) => {
    const response = await fetch(url(`${tsid}/connect/github`), {
      method: 'POST',
      headers: { ...auth(), 'content-type': 'application/json' },
      body,
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error_code: 'invalid_request', who_must_act: 'caller' })
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('has a state that only its own session may ask for', async () => {
    const { ticket } = await requestLink(notes, notes.room, tsid)
    const state = async (session: string, headers = auth(), query = '') =>
      await fetch(url(`${session}/connect/${ticket}${query}`), { headers })
    expect(await (await state(tsid)).json()).toEqual({ state: 'pending', provider: 'github' })
    const second = await signIn(notes, { browser })
    expect((await state(second.tsid)).status).toBe(404)
    const foreign = await enter(notes, other, { browser })
    expect((await state(foreign.tsid, { authorization: basic(other.credential) })).status).toBe(404)
    for (const query of ['?wait=-1', '?wait=x', '?wait=1&wait=1', '?wait=9999']) {
      expect((await state(tsid, auth(), query)).status).toBe(400)
    }
    notes.clock.advance(600)
    expect(await (await state(tsid)).json()).toEqual({ state: 'expired', provider: 'github' })
  })
})
