import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Atlassian } from '../../standins/atlassian.ts'
import { ada, authorize, redeem, request, signIn, startSeeded } from './atlassian-client.ts'
import { callbackOf, get, redirectUri, visit, withQuery } from './trip.ts'

let atlassian: Atlassian

beforeEach(async () => {
  atlassian = await startSeeded()
})
afterEach(() => atlassian.stop())

const newCode = async (parameters = {}) => callbackOf(await authorize(atlassian, parameters)).code

describe('every mistake is a dead end: a page with status 200, and no way back', () => {
  test.each([
    ['an unknown client', { client_id: 'nobody' }],
    ['another audience', { audience: 'api.example.com' }],
    ['openid', { scope: 'openid read:me' }],
    ['profile', { scope: 'profile read:me' }],
    ['email', { scope: 'email read:me' }],
    ['a scope the app is not registered for', { scope: 'read:me write:jira-work' }],
    ['no scope', { scope: '' }],
    ['an empty state', { state: '' }],
    ['another redirect_uri', { redirect_uri: `${redirectUri}/more` }],
    ['another response_type', { response_type: 'token' }],
    ['another prompt', { prompt: 'none' }],
    ['a malformed challenge', { code_challenge: 'short' }],
  ])('%s', async (_, parameters: Record<string, string>) => {
    const response = await authorize(atlassian, parameters)
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('Something went wrong')
  })

  test.each(['audience', 'state', 'prompt', 'redirect_uri', 'response_type'] as const)(
    'a missing %s',
    async (name) => {
      const { [name]: _, ...incomplete } = request
      const response = await visit(withQuery(`${atlassian.auth}/authorize`, incomplete))
      expect(await response.text()).toContain('Something went wrong')
    },
  )

  test('fifty scopes or more', async () => {
    const scopes = Array.from({ length: 50 }, (_, index) => `read:thing-${index}`)
    atlassian.control.addClient({
      clientId: 'client',
      clientSecret: 'secret',
      redirectUri,
      scopes,
    })
    expect(await (await authorize(atlassian, { scope: scopes.join(' ') })).text()).toContain('too long')
    expect((await authorize(atlassian, { scope: scopes.slice(1).join(' ') })).status).toBe(302)
  })
})

test('a denied request comes back as access_denied with its state', async () => {
  atlassian.control.deny()
  expect(callbackOf(await authorize(atlassian))).toMatchObject({ error: 'access_denied', state: 's' })
})

test('the consent page is always shown, with the sites to pick from', async () => {
  await signIn(atlassian)
  atlassian.control.ask()
  const page = await (await authorize(atlassian)).text()
  expect(page).toContain('name="site:cloud-1"')
  expect(await (await authorize(atlassian, { scope: 'read:me' })).text()).not.toContain('name="site:')
})

test('sends no iss unless told to', async () => {
  expect(callbackOf(await authorize(atlassian))).not.toHaveProperty('iss')
  atlassian.control.iss('always')
  expect(callbackOf(await authorize(atlassian)).iss).toBe(atlassian.auth)
})

describe('the token endpoint', () => {
  test('answers with a long opaque JWT, an hour, and no ID token', async () => {
    const answer = await signIn(atlassian)
    expect(answer).toEqual({
      access_token: expect.stringMatching(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/),
      expires_in: 3600,
      token_type: 'Bearer',
      scope: 'read:me read:jira-user offline_access',
      refresh_token: expect.any(String),
    })
    expect(String(answer.access_token).length).toBeGreaterThan(2000)
  })

  test('gives a refresh token for offline_access only', async () => {
    expect(await signIn(atlassian, { scope: 'read:me' })).not.toHaveProperty('refresh_token')
  })

  test('takes JSON as well', async () => {
    const { status, headers } = await fetch(`${atlassian.auth}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ grant_type: 'refresh_token', client_id: 'client', client_secret: 'secret' }),
    })
    expect([status, headers.get('content-type')]).toEqual([403, 'application/json; charset=utf-8'])
  })

  test.each([
    [401, 'access_denied', { client_secret: 'wrong' }],
    [401, 'access_denied', { client_id: 'nobody' }],
    [403, 'unsupported_grant_type', { grant_type: 'password' }],
    [403, 'invalid_grant', { code: 'unknown' }],
    [403, 'invalid_grant', { redirect_uri: 'http://127.0.0.1:9/other' }],
    [403, 'invalid_grant', { code_verifier: 'wrong' }],
  ])('answers %i %s for %o', async (status, error, parameters: Record<string, string>) => {
    const grant = { grant_type: 'authorization_code' }
    const answer = await redeem(atlassian, await newCode(), { ...grant, ...parameters })
    expect([answer.status, answer.body.error]).toEqual([status, error])
  })

  test('takes a code once', async () => {
    const code = await newCode()
    expect((await redeem(atlassian, code)).status).toBe(200)
    expect((await redeem(atlassian, code)).body).toEqual({
      error: 'invalid_grant',
      error_description: 'Invalid authorization code',
    })
  })

  test('checks no verifier when no challenge was sent', async () => {
    const { code_challenge: _, code_challenge_method: __, ...plain } = request
    const { code = '' } = callbackOf(await visit(withQuery(`${atlassian.auth}/authorize`, plain)))
    const parameters = { code, redirect_uri: redirectUri, grant_type: 'authorization_code' }
    const response = await fetch(`${atlassian.auth}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...parameters, client_id: 'client', client_secret: 'secret' }),
    })
    expect(response.status).toBe(200)
  })
})

describe('sites', () => {
  const resourcesOf = async (token: unknown) =>
    (await get(`${atlassian.api}/oauth/token/accessible-resources`, String(token))).body as {
      id: string
      scopes: string[]
    }[]
  const scope = 'read:jira-user read:confluence-content.all'
  const idsOf = async (token: unknown) => (await resourcesOf(token)).map(({ id }) => id)

  test('none: the list is empty', async () => {
    atlassian.control.set({ pickedSites: [] })
    expect(await resourcesOf((await signIn(atlassian)).access_token)).toEqual([])
  })

  test('with both products appear twice under one id, with the scopes of each', async () => {
    atlassian.control.set({ pickedSites: ['cloud-2'] })
    const { access_token } = await signIn(atlassian, { scope })
    expect(await resourcesOf(access_token)).toMatchObject([
      { id: 'cloud-2', url: 'https://wiki.atlassian.net', scopes: ['read:jira-user'] },
      { id: 'cloud-2', url: 'https://wiki.atlassian.net', scopes: ['read:confluence-content.all'] },
    ])
  })

  test('accumulate in the one grant of app and account, for earlier tokens as well', async () => {
    atlassian.control.set({ pickedSites: ['cloud-1'] })
    const first = await signIn(atlassian, { scope })
    expect(await idsOf(first.access_token)).toEqual(['cloud-1'])
    atlassian.control.set({ pickedSites: ['cloud-3'] })
    await signIn(atlassian, { scope })
    expect(await idsOf(first.access_token)).toEqual(['cloud-1', 'cloud-3'])
  })

  test('go when the app is taken off them, or the person loses them', async () => {
    atlassian.control.set({ pickedSites: ['cloud-1', 'cloud-3'] })
    const { access_token } = await signIn(atlassian, { scope })
    atlassian.control.removeSite('cloud-1')
    expect(await idsOf(access_token)).toEqual(['cloud-3'])
    atlassian.control.addUser({ ...ada, sites: ['cloud-1'] })
    expect(await idsOf(access_token)).toEqual([])
  })

  test('answer 404 unless the grant holds them, and 403 without the scope', async () => {
    atlassian.control.set({ pickedSites: ['cloud-1'] })
    const myself = (site: string) => `${atlassian.api}/ex/jira/${site}/rest/api/3/myself`
    const { access_token } = await signIn(atlassian)
    expect((await get(myself('cloud-1'), String(access_token))).body).toMatchObject({
      accountId: '557058:ada',
    })
    expect((await get(myself('cloud-2'), String(access_token))).status).toBe(404)
    const narrow = await signIn(atlassian, { scope: 'read:jira-work' })
    expect((await get(myself('cloud-1'), String(narrow.access_token))).status).toBe(403)
  })
})

describe('the profile', () => {
  const me = async (scope: string) => {
    const { access_token } = await signIn(atlassian, { scope })
    return get(`${atlassian.api}/me`, String(access_token))
  }

  test('needs read:me', async () => {
    expect((await me('read:jira-user')).status).toBe(403)
    expect((await me('read:me')).body).toMatchObject({
      account_id: '557058:ada',
      email: 'ada@acme.test',
      email_verified: true,
    })
  })

  test('may have no address, or an unverified one', async () => {
    atlassian.control.addUser({ ...ada, email: null })
    expect((await me('read:me')).body).toMatchObject({ email: null })
    atlassian.control.addUser({ ...ada, emailVerified: false })
    expect((await me('read:me')).body).toMatchObject({ email_verified: false })
  })

  test('answers 401 to unknown tokens', async () => {
    expect((await get(`${atlassian.api}/me`, 'eyJ.unknown.token')).status).toBe(401)
    expect((await get(`${atlassian.api}/me`)).status).toBe(401)
  })

  test('can be rate limited, the token endpoint aside', async () => {
    atlassian.control.rateLimit({ seconds: 30, times: 1 })
    const limited = await me('read:me')
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '30'])
    expect((await me('read:me')).status).toBe(200)
  })
})

test('its discovery document looks complete, and is a trap', async () => {
  const { body } = await get(`${atlassian.auth}/.well-known/openid-configuration`)
  expect(body).toMatchObject({ issuer: atlassian.auth, scopes_supported: expect.arrayContaining(['openid']) })
})
