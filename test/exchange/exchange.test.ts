import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { accessTokenType, askForResource, exchangeGrant } from '../support/faces.ts'
import {
  expectUnavailable,
  type FailingStore,
  failingStore,
  forEveryFailure,
} from '../support/failing-store.ts'
import { enter, type Stay } from '../support/house.ts'
import {
  basic,
  claimsOf,
  createCredential,
  introspect,
  newBrowser,
  postToken,
  type ResourceCredential,
  refresh,
  registerClient,
} from '../support/world.ts'
import {
  arrive,
  define,
  definitions,
  deskThatIsCalled,
  exchange,
  isActive,
  type Office,
  openOffice,
  relay,
} from './steps.ts'

// A token for one MCP server is exchanged for one for another, which is never worth more.

let office: Office
let stay: Stay
let token: string

beforeAll(async () => {
  office = await openOffice()
  stay = await arrive(office, 'desk')
  token = stay.tokens.access_token
})
afterAll(() => office.stop())

const at = (id: keyof Office['rooms']) => ({
  gateway: office.gateway,
  credential: office.rooms[id].credential,
})

/** Their JSON pointer and code, and nothing that could be used. */
const refusedWith = (error: string, code: string, who: string, more: Record<string, unknown> = {}) => ({
  error,
  error_description: expect.any(String),
  error_code: code,
  who_must_act: who,
  ...more,
})
const notAllowed = () => refusedWith('invalid_target', 'target_not_allowed', 'admin')
const badToken = () => refusedWith('invalid_request', 'invalid_user_token', 'caller')
const badRequest = () => refusedWith('invalid_request', 'invalid_request', 'caller')

describe('a token for another MCP server', () => {
  test('is of the same person and client, names who acts, and has a session of its own', async () => {
    const { status, headers, body } = await exchange(office, ['desk', 'agenda'], token)
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: accessTokenType,
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'agenda.read agenda.write',
    })
    const [before, after] = [claimsOf(token), claimsOf(String(body.access_token))]
    expect(after).toEqual({
      iss: office.gateway.issuer,
      aud: office.rooms.agenda.uri,
      sub: before.sub,
      client_id: office.clientId,
      scope: 'agenda.read agenda.write',
      act: { sub: office.rooms.desk.uri },
      auth_time: before.auth_time,
      jti: expect.any(String),
      tsid: expect.stringMatching(/^ts_/),
      iat: expect.any(Number),
      exp: before.exp,
    })
    expect([before.tsid, before.jti]).not.toContain(after.tsid)
    expect(after.jti).not.toBe(before.jti)
  })

  test('is introspected by the one it is for, who acts included, and by nobody else', async () => {
    const exchanged = await relay(office, ['desk', 'agenda'], token)
    const { iat, exp, jti, tsid, sub } = claimsOf(exchanged)
    expect(await introspect(at('agenda'), exchanged)).toEqual({
      active: true,
      ...{ sub, iat, exp, jti, tsid },
      client_id: office.clientId,
      scope: 'agenda.read agenda.write',
      aud: office.rooms.agenda.uri,
      iss: office.gateway.issuer,
      act: { sub: office.rooms.desk.uri },
      token_type: 'Bearer',
    })
    for (const id of ['desk', 'mail'] as const) {
      expect(await introspect(at(id), exchanged)).toEqual({ active: false })
    }
    expect(await introspect(at('desk'), token)).not.toHaveProperty('act')
  })

  test('carries the whole way in its act, whoever acts now outside', async () => {
    const exchanged = await relay(office, ['desk', 'agenda', 'mail'], token)
    expect(claimsOf(exchanged)).toMatchObject({
      aud: office.rooms.mail.uri,
      scope: 'mail.read',
      act: { sub: office.rooms.agenda.uri, act: { sub: office.rooms.desk.uri } },
    })
    expect(await introspect(at('mail'), exchanged)).toMatchObject({
      active: true,
      act: { sub: office.rooms.agenda.uri, act: { sub: office.rooms.desk.uri } },
    })
  })

  test.each([
    ['its URI in another spelling', () => ({ resource: 'HTTPS://AGENDA.test:443/mcp' })],
    ['its URI as audience', () => ({ resource: '', audience: office.rooms.agenda.uri })],
    ['its id as audience', () => ({ resource: '', audience: 'agenda' })],
    ['both at once', () => ({ audience: 'agenda' })],
    ['its URI twice over', () => ({ audience: 'https://agenda.test/mcp' })],
    ['a JWT by type', () => ({ requested_token_type: 'urn:ietf:params:oauth:token-type:jwt' })],
    ['an access token by type', () => ({ requested_token_type: accessTokenType })],
  ])('may be asked for with %s', async (_what, wish) => {
    const asked = wish() as Record<string, string>
    const { status, body } = await exchange(office, ['desk', 'agenda'], token, asked)
    expect(status).toBe(200)
    expect(body.issued_token_type).toBe(asked.requested_token_type ?? accessTokenType)
    expect(claimsOf(String(body.access_token)).aud).toBe(office.rooms.agenda.uri)
  })

  test('cannot be refreshed, and is no refresh token', async () => {
    const { body } = await exchange(office, ['desk', 'agenda'], token)
    expect(body).not.toHaveProperty('refresh_token')
    expect((await refresh(office, String(body.access_token))).status).toBe(400)
  })

  test('may be had as often as it is asked for, each with a session of its own', async () => {
    const sessions = new Set<unknown>()
    for (let index = 0; index < 3; index++) {
      sessions.add(claimsOf(await relay(office, ['desk', 'agenda'], token)).tsid)
    }
    expect(sessions.size).toBe(3)
  })

  test('for one without scopes has none, and is opened by a scope all the same', async () => {
    const { status, body } = await exchange(office, ['desk', 'plain'], token)
    expect(status).toBe(200)
    expect(body.scope).toBe('')
    expect(claimsOf(String(body.access_token))).not.toHaveProperty('scope')
    const writing = await enter(office, office.rooms.desk, { parameters: { scope: 'desk.write' } })
    expect((await exchange(office, ['desk', 'plain'], writing.tokens.access_token)).body).toEqual(
      refusedWith('invalid_scope', 'scope_not_granted', 'user', { missing_scopes: ['desk.read'] }),
    )
  })
})

describe('its scopes', () => {
  test.each([
    ['agenda.read', 'agenda.read'],
    ['agenda.write', 'agenda.write'],
    ['agenda.write agenda.read', 'agenda.read agenda.write'],
    ['agenda.read agenda.write desk.read mail.read *', 'agenda.read agenda.write'],
    ['agenda.read offline_access', 'agenda.read'],
  ])('are %s of what is asked: %s', async (scope, granted) => {
    const { body } = await exchange(office, ['desk', 'agenda'], token, { scope })
    expect(body.scope).toBe(granted)
    expect(claimsOf(String(body.access_token)).scope).toBe(granted)
  })

  test('are those that the person’s own at the caller open, and no others', async () => {
    const reading = await enter(office, office.rooms.desk, {
      browser: newBrowser(),
      parameters: { scope: 'desk.read' },
    })
    const { access_token: narrow } = reading.tokens
    expect((await exchange(office, ['desk', 'agenda'], narrow)).body.scope).toBe('agenda.read')
    const wider = { scope: 'agenda.read agenda.write' }
    expect((await exchange(office, ['desk', 'agenda'], narrow, wider)).body.scope).toBe('agenda.read')
    const { status, body } = await exchange(office, ['desk', 'agenda'], narrow, { scope: 'agenda.write' })
    expect(status).toBe(400)
    expect(body).toEqual(
      refusedWith('invalid_scope', 'scope_not_granted', 'user', { missing_scopes: ['desk.write'] }),
    )
  })

  test('follow the very token, where that is narrower than its session', async () => {
    const other = await enter(office, office.rooms.desk, { browser: stay.browser })
    const answer = await refresh(office, other.tokens.refresh_token, { scope: 'desk.read' })
    const { access_token: narrow } = (await answer.json()) as { access_token: string }
    expect((await exchange(office, ['desk', 'agenda'], narrow)).body.scope).toBe('agenda.read')
  })

  test.each([
    ['mail.read'],
    ['agenda'],
    ['agenda.read.all'],
    ['AGENDA.READ'],
    ['desk.read'],
    ['offline_access'],
  ])('are never %s, which nothing opens', async (scope) => {
    expect((await exchange(office, ['desk', 'agenda'], token, { scope })).body).toEqual(
      refusedWith('invalid_scope', 'scope_not_allowed', 'admin'),
    )
  })

  test('are within what the person’s roles give at the callee', async () => {
    await define(office, 'agenda', { ...definitions.agenda, access: 'bindings' })
    expect((await exchange(office, ['desk', 'agenda'], token)).body).toEqual(
      refusedWith('invalid_scope', 'scope_not_allowed', 'admin'),
    )
    await office.gateway.admin('PUT', '/resources/agenda/roles/reader', { scopes: ['agenda.read'] })
    const holder = { subject: claimsOf(token).sub }
    const binding = await office.gateway.admin('POST', '/resources/agenda/bindings', {
      role: 'reader',
      holder,
    })
    expect((await exchange(office, ['desk', 'agenda'], token)).body.scope).toBe('agenda.read')
    await office.gateway.admin('DELETE', `/resources/agenda/bindings/${binding.id}`)
    expect((await exchange(office, ['desk', 'agenda'], token)).status).toBe(400)
    await define(office, 'agenda', { ...definitions.agenda, access: 'everyone' })
    expect((await exchange(office, ['desk', 'agenda'], token)).body.scope).toBe('agenda.read agenda.write')
  })

  test('are opened by nothing that a role gave the person at the caller and no longer does', async () => {
    const { admin } = office.gateway
    await define(office, 'desk', { ...deskThatIsCalled, access: 'bindings' })
    await admin('PUT', '/resources/desk/roles/reader', { scopes: ['desk.read'] })
    const holder = { subject: claimsOf(token).sub }
    const binding = await admin('POST', '/resources/desk/bindings', { role: 'reader', holder })
    expect((await exchange(office, ['desk', 'agenda'], token)).body.scope).toBe('agenda.read')
    await admin('DELETE', `/resources/desk/bindings/${binding.id}`)
    expect((await exchange(office, ['desk', 'agenda'], token)).body.error_code).toBe('scope_not_granted')
    await define(office, 'desk', { ...deskThatIsCalled, access: 'everyone' })
    expect((await exchange(office, ['desk', 'agenda'], token)).body.scope).toBe('agenda.read agenda.write')
  })
})

describe('the way', () => {
  test.each([
    ['to itself', ['desk'], 'desk'],
    ['back to where it began', ['desk', 'agenda'], 'desk'],
    ['to itself, further on', ['desk', 'agenda'], 'agenda'],
    ['back to itself over another, however deep', ['desk', 'agenda', 'mail'], 'agenda'],
  ] as const)('never leads %s', async (_where, way, to) => {
    const current = await relay(office, way, token)
    const { status, body } = await exchange(office, [way.at(-1) ?? 'desk', to], current)
    expect(status).toBe(400)
    expect(body).toEqual(refusedWith('invalid_target', 'exchange_loop', 'caller'))
  })

  test('is not longer than it may be', async () => {
    const current = await relay(office, ['desk', 'agenda', 'mail'], token)
    const { status, body } = await exchange(office, ['mail', 'archive'], current)
    expect(status).toBe(400)
    expect(body).toEqual(refusedWith('invalid_target', 'exchange_too_deep', 'caller'))
    expect(await isActive(office, 'mail', current)).toBe(true)
  })

  test('begins wherever the person is', async () => {
    const there = await enter(office, office.rooms.mail, { browser: stay.browser })
    expect((await exchange(office, ['mail', 'archive'], there.tokens.access_token)).status).toBe(200)
  })
})

describe('refused', () => {
  test.each([
    ['one that does not let the caller call it', { resource: 'https://mail.test/mcp' }],
    ['one nobody knows', { resource: 'https://nobody.test/mcp' }],
    ['the gateway itself', { resource: 'ISSUER' }],
    ['what is no URI', { resource: 'agenda' }],
    ['a URI with a fragment', { resource: 'https://agenda.test/mcp#top' }],
    ['part of a URI', { resource: 'https://agenda.test/' }],
    ['an id nobody has', { resource: '', audience: 'nobody' }],
    ['an odd id', { resource: '', audience: '__proto__' }],
    ['two that differ', { audience: 'mail' }],
    ['two of which one is unknown', { audience: 'nobody' }],
    ['two that are unknown', { resource: 'https://nobody.test/mcp', audience: 'nobody' }],
  ])('is %s, with one answer', async (_what, wish) => {
    const asked = Object.fromEntries(
      Object.entries(wish).map(([name, value]) => [name, value.replace('ISSUER', office.gateway.issuer)]),
    )
    const { status, body } = await exchange(office, ['desk', 'agenda'], token, asked)
    expect(status).toBe(400)
    expect(body).toEqual(notAllowed())
  })

  test('are several at once, however they are named', async () => {
    const names = ['agenda', 'mail', 'plain'].map((id) => ['resource', `https://${id}.test/mcp`] as const)
    for (const count of [2, 3]) {
      const { body } = await askForResource(
        office.gateway,
        office.rooms.desk.credential,
        token,
        names.slice(0, count),
      )
      expect(body).toEqual(notAllowed())
    }
  })

  test.each([
    ['without a target', { resource: '' }],
    ['without a token', { subject_token: '' }],
    ['without its type', { subject_token_type: '' }],
    ['of another type', { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }],
    ['for another type', { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }],
    [
      'with a provider by a type that has none',
      { requested_token_type: accessTokenType, provider: 'github' },
    ],
    ['with a provider by no type', { provider: 'github' }],
    ['with an actor of its own', { actor_token: 'x', actor_token_type: accessTokenType }],
    ['with an actor’s type alone', { actor_token_type: accessTokenType }],
    ['with what is for upstream tokens', { min_ttl: '60' }],
    ['with a scope that is none', { scope: 'agenda.read "' }],
    ['with a target that does not decode', { resource: '\0' }],
  ])('is a request %s', async (_what, wish) => {
    const { status, headers, body } = await exchange(
      office,
      ['desk', 'agenda'],
      token,
      wish as Record<string, string>,
    )
    expect(status).toBe(400)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual(badRequest())
  })

  test.each([['subject_token'], ['requested_token_type'], ['scope']])(
    'is a request with %s twice',
    async (name) => {
      const { status, body } = await askForResource(office.gateway, office.rooms.desk.credential, token, [
        ['resource', office.rooms.agenda.uri],
        ['subject_token', token],
        [name, 'x'],
        [name, 'x'],
      ])
      expect(status).toBe(400)
      expect(body).toMatchObject({ error: 'invalid_request' })
    },
  )

  test('is every token that is not the caller’s own, live, and whole', async () => {
    const elsewhere = await enter(office, office.rooms.archive, { browser: stay.browser })
    const [head = '', , signature = ''] = token.split('.')
    const forged = Buffer.from(
      JSON.stringify({ ...claimsOf(token), scope: 'desk.read desk.write x' }),
    ).toString('base64url')
    const bad = [
      elsewhere.tokens.access_token,
      stay.tokens.refresh_token,
      stay.tsid,
      office.rooms.desk.credential.secret,
      `${head}.${forged}.${signature}`,
      token.slice(0, -1),
      'x',
      'x'.repeat(20_000),
    ]
    for (const each of bad) {
      const { status, body } = await exchange(office, ['desk', 'agenda'], each)
      expect(status).toBe(400)
      expect(body).toEqual(badToken())
    }
    // Nor is a token of its own once it was passed on, of use to the one it was passed on by.
    const exchanged = await relay(office, ['desk', 'agenda'], token)
    expect((await exchange(office, ['desk', 'agenda'], exchanged)).body).toEqual(badToken())
    expect((await exchange(office, ['mail', 'archive'], exchanged)).body).toEqual(badToken())
  })

  test('is a client, whatever token it holds, and whoever has no good credential', async () => {
    const form = {
      grant_type: exchangeGrant,
      subject_token: token,
      subject_token_type: accessTokenType,
      resource: office.rooms.agenda.uri,
    }
    const byClient = await postToken(office, { ...form, client_id: office.clientId })
    expect(byClient.status).toBe(400)
    expect(await byClient.json()).toMatchObject({ error: 'unauthorized_client' })
    expect((await postToken(office, form)).status).toBe(401)
    const wrong: ResourceCredential = { ...office.rooms.desk.credential, secret: 'wrong' }
    const { status, body } = await askForResource(office.gateway, wrong, token, { resource: form.resource })
    expect(status).toBe(401)
    expect(body).toMatchObject({ error: 'invalid_client', error_code: 'invalid_resource_credential' })
  })

  test('is a credential that was taken back', async () => {
    const credential = await createCredential(office.gateway, 'desk')
    const wish = { resource: office.rooms.agenda.uri }
    expect((await askForResource(office.gateway, credential, token, wish)).status).toBe(200)
    await office.gateway.admin('DELETE', `/resources/desk/credentials/${credential.id}`)
    expect((await askForResource(office.gateway, credential, token, wish)).status).toBe(401)
  })
})

test('what is written of it says who called whom, and no ticket', async () => {
  const { access_token: token } = (await arrive(office, 'desk')).tokens
  const exchanged = await relay(office, ['desk', 'agenda', 'mail'], token)
  for (let index = 0; index < 2; index++) {
    await exchange(office, ['desk', 'mail'], token, { scope: 'mail.read' })
  }
  const subject = String(claimsOf(token).sub)
  const events = async (event: string) =>
    (
      await office.gateway.admin<{ items: Record<string, unknown>[] }>(
        'GET',
        `/audit-events?event=${event}&subject_id=${subject}`,
      )
    ).items
  const [second, first] = await events('token.exchanged')
  expect(first).toMatchObject({
    actor: `resource:${office.rooms.desk.credential.id}`,
    client_id: office.clientId,
    resource_id: 'agenda',
    outcome: 'ok',
    detail: {
      from: { resource: 'desk', tsid_hash: expect.stringMatching(/^[\w-]{43}$/) },
      scopes: ['agenda.read', 'agenda.write'],
      exchanges: 1,
      ends_at: claimsOf(token).exp,
    },
  })
  expect(second).toMatchObject({
    actor: `resource:${office.rooms.agenda.credential.id}`,
    resource_id: 'mail',
    detail: { from: { resource: 'agenda' }, scopes: ['mail.read'], exchanges: 2 },
  })
  const refused = await events('token.exchange_refused')
  expect(refused).toMatchObject([
    {
      actor: `resource:${office.rooms.desk.credential.id}`,
      resource_id: 'desk',
      outcome: 'target_not_allowed',
      detail: { target: 'mail', scopes: ['mail.read'] },
    },
  ])
  const written = JSON.stringify([first, second, refused])
  for (const each of [token, exchanged]) {
    expect(written).not.toContain(String(claimsOf(each).tsid))
    expect(office.gateway.logs()).not.toContain(each)
  }
})

test('the person is asked for no more because of it, and other clients’ sessions are none of it', async () => {
  const there = await arrive(office, 'desk')
  await relay(office, ['desk', 'agenda'], there.tokens.access_token)
  const own = await enter(office, office.rooms.agenda, {
    browser: there.browser,
    parameters: { scope: 'agenda.read' },
  })
  expect(own.tokens.scope).toBe('agenda.read')
  const other = await registerClient(office.gateway)
  const others = await enter(office, office.rooms.desk, { clientId: other, browser: newBrowser() })
  const exchanged = await relay(office, ['desk', 'agenda'], others.tokens.access_token)
  expect(claimsOf(exchanged).client_id).toBe(other)
})

describe('an exchange in trouble', () => {
  let store: FailingStore
  beforeAll(() => {
    store = failingStore(office.gateway.running().gateway.store)
  })
  afterEach(() => store.heal())

  const form = () => ({
    grant_type: exchangeGrant,
    subject_token: token,
    subject_token_type: accessTokenType,
    resource: office.rooms.agenda.uri,
  })
  const ask = () => postToken(office, form(), { authorization: basic(office.rooms.desk.credential) })

  test('answers a token that works or 503, whatever the store fails at, and may be tried again', async () => {
    const seen = await forEveryFailure(
      { store, clock: office.clock },
      async () => ask,
      async (response, failed, again) => {
        await expectUnavailable(response, failed)
        const second = (await (await again()).json()) as { access_token: string }
        expect(await isActive(office, 'agenda', second.access_token)).toBe(true)
      },
    )
    expect(seen).toContain('exchangedGrants.create')
  })

  test('that is revoked while it is written gives nothing', async () => {
    const { tokens } = await arrive(office, 'desk')
    const release = store.hold(['exchangedGrants.create'])
    const asked = exchange(office, ['desk', 'agenda'], tokens.access_token)
    await expect.poll(() => store.calls()).toContain('exchangedGrants.create')
    const revoked = new URLSearchParams({ client_id: office.clientId, token: tokens.refresh_token })
    await fetch(`${office.gateway.url}/oauth/revoke`, { method: 'POST', body: revoked })
    release()
    expect((await asked).body).toEqual(badToken())
  })

  test('that races a revocation ends with it, whoever is first', async () => {
    for (let round = 0; round < 5; round++) {
      const { tokens } = await arrive(office, 'desk')
      const first = await relay(office, ['desk', 'agenda'], tokens.access_token)
      const revoked = new URLSearchParams({ client_id: office.clientId, token: tokens.refresh_token })
      const exchanges = [1, 2, 3, 4].map(() => exchange(office, ['agenda', 'mail'], first))
      const revocation = fetch(`${office.gateway.url}/oauth/revoke`, { method: 'POST', body: revoked })
      const answers = await Promise.all([...exchanges, exchange(office, ['agenda', 'mail'], first)])
      await revocation
      const given = answers.flatMap(({ status, body }) => (status === 200 ? String(body.access_token) : []))
      for (const each of given) expect(await isActive(office, 'mail', each)).toBe(false)
      expect((await exchange(office, ['agenda', 'mail'], first)).body).toEqual(badToken())
    }
  })
})

// Moves the clock, so that it comes last.
test('a token lives no longer than what it was exchanged for, though that be refreshed', async () => {
  office.clock.advance(600)
  const { body } = await exchange(office, ['desk', 'agenda'], token)
  expect(Number(body.expires_in)).toBeLessThanOrEqual(3000)
  expect(claimsOf(String(body.access_token)).exp).toBe(claimsOf(token).exp)
  await refresh(office, stay.tokens.refresh_token)
  office.clock.advance(Number(body.expires_in))
  expect(await isActive(office, 'agenda', String(body.access_token))).toBe(false)
  expect((await exchange(office, ['desk', 'agenda'], token)).body).toEqual(badToken())
  expect((await exchange(office, ['agenda', 'mail'], String(body.access_token))).body).toEqual(badToken())
})
