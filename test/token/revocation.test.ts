import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enter } from '../support/house.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorize,
  basic,
  introspect,
  newBrowser,
  refresh,
  registerClient,
  retrieve,
  signIn,
  type Tokens,
} from '../support/world.ts'

let notes: Notes
let tokens: Tokens
let tsid: string
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
})
afterAll(() => notes.stop())
beforeEach(async () => {
  const session = await signIn(notes, { browser })
  tokens = session.tokens
  tsid = session.tsid
})

const revoke = (token: string, more: Record<string, string> = {}, clientId = notes.clientId) =>
  fetch(`${notes.gateway.issuer}/oauth/revoke`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: clientId, token, ...more }),
  })

async function expectEnded(): Promise<void> {
  expect(await introspect(notes, tokens.access_token)).toEqual({ active: false })
  expect((await retrieve(notes, tsid)).status).toBe(404)
  expect((await refresh(notes, tokens.refresh_token)).status).toBe(400)
}

async function expectAlive(): Promise<void> {
  expect(await introspect(notes, tokens.access_token)).toMatchObject({ active: true })
  expect((await retrieve(notes, tsid)).status).toBe(200)
  expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
}

describe('revocation (RFC 7009)', () => {
  test.each([
    ['a refresh token', () => tokens.refresh_token, {}],
    ['an access token', () => tokens.access_token, {}],
    ['a refresh token under a wrong hint', () => tokens.refresh_token, { token_type_hint: 'access_token' }],
    ['an access token under a wrong hint', () => tokens.access_token, { token_type_hint: 'refresh_token' }],
    ['a token under a hint nobody knows', () => tokens.access_token, { token_type_hint: 'saml' }],
  ])('of %s ends the session everywhere this gateway answers, at once', async (_what, token, hint) => {
    const response = await revoke(token(), hint)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
    expect(response.headers.get('cache-control')).toBe('no-store')
    await expectEnded()
  })

  test('of a refresh token that was used already ends the session too', async () => {
    await refresh(notes, tokens.refresh_token)
    expect((await revoke(tokens.refresh_token)).status).toBe(200)
    await expectEnded()
  })

  test('leaves the person’s other sessions alone, those of the same client included', async () => {
    const { tokens: others } = await signIn(notes, { browser })
    await revoke(tokens.refresh_token)
    expect((await refresh(notes, others.refresh_token)).status).toBe(200)
  })

  test('by another client answers 200 and changes nothing', async () => {
    const other = await registerClient(notes.gateway, { client_name: 'Another' })
    for (const token of [tokens.refresh_token, tokens.access_token]) {
      expect((await revoke(token, {}, other)).status).toBe(200)
    }
    await expectAlive()
  })

  test('of a code, of nonsense and of a token that ended answers 200 and changes nothing', async () => {
    const { code } = await authorize(notes, { browser })
    for (const token of [code, 'nonsense', 'a.b.c', notes.credential.secret, 'cc_rt_', 'x'.repeat(20_000)]) {
      expect((await revoke(token)).status).toBe(200)
    }
    await expectAlive()
  })

  test('twice answers 200 twice and is recorded once', async () => {
    const count = async () =>
      (await notes.gateway.admin<{ items: unknown[] }>('GET', '/audit-events?event=grant.revoked&limit=200'))
        .items.length
    const before = await count()
    await Promise.all([
      revoke(tokens.refresh_token),
      revoke(tokens.access_token),
      revoke(tokens.refresh_token),
    ])
    expect(await count()).toBe(before + 1)
  })

  test('without a token, or by a client that is not known, is refused', async () => {
    expect((await revoke('')).status).toBe(400)
    expect((await revoke(tokens.refresh_token, {}, 'client_unknown')).status).toBe(401)
    await expectAlive()
  })

  test('holds after a restart', async () => {
    await revoke(tokens.refresh_token)
    await notes.gateway.restart()
    await expectEnded()
  })
})

describe('introspection (RFC 7662)', () => {
  test('tells a resource of its own tokens exactly what they say', async () => {
    const { exp, iat, jti, sub } = JSON.parse(
      Buffer.from(tokens.access_token.split('.')[1] ?? '', 'base64url').toString(),
    )
    expect(await introspect(notes, tokens.access_token)).toEqual({
      active: true,
      sub,
      client_id: notes.clientId,
      scope: 'notes.read',
      aud: notes.room.uri,
      iss: notes.gateway.issuer,
      exp,
      iat,
      jti,
      tsid,
      token_type: 'Bearer',
    })
  })

  test('of everything else says exactly one thing, refresh tokens included', async () => {
    const { code } = await authorize(notes, { browser })
    const ended = await signIn(notes, { browser })
    await revoke(ended.tokens.access_token)
    const nothing = [
      tokens.refresh_token,
      code,
      tsid,
      'x',
      ended.tokens.access_token,
      notes.credential.secret,
    ]
    for (const token of nothing) expect(await introspect(notes, token)).toEqual({ active: false })
  })

  test('tells another resource nothing', async () => {
    const other = await notes.open('elsewhere', { providers: [{ provider: 'github', scopes: ['repo'] }] })
    expect(await introspect({ ...notes, credential: other.credential }, tokens.access_token)).toEqual({
      active: false,
    })
    const theirs = await enter(notes, other, { browser: newBrowser() })
    expect(await introspect(notes, theirs.tokens.access_token)).toEqual({ active: false })
  })

  test('is not cached, and is no business of other origins', async () => {
    const response = await fetch(`${notes.gateway.issuer}/oauth/introspect`, {
      method: 'POST',
      headers: { authorization: basic(notes.credential), origin: 'https://evil.test' },
      body: new URLSearchParams({ token: tokens.access_token }),
    })
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('without a credential answers 401, not `active: false`', async () => {
    const response = await fetch(`${notes.gateway.issuer}/oauth/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ token: tokens.access_token }),
    })
    expect(response.status).toBe(401)
  })
})
