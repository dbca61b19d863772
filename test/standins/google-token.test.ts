import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Google } from '../../standins/google.ts'
import {
  ada,
  app,
  askForToken,
  authorize,
  calendar,
  offline,
  redeem,
  refresh,
  signIn,
  startSeeded,
} from './google-client.ts'
import { callbackOf, get, post, redirectUri, verifier } from './trip.ts'

const day = 86_400

let google: Google

beforeEach(async () => {
  google = await startSeeded()
})
afterEach(() => google.stop())

const newCode = async (parameters = {}) => callbackOf(await authorize(google, parameters)).code
const opens = async (token: unknown) =>
  (await get(`${google.issuer}/v1/userinfo`, String(token))).status === 200

test('the answer has 3599 seconds and scopes as URLs', async () => {
  expect(await signIn(google, { scope: 'openid email profile' })).toEqual({
    access_token: expect.stringMatching(/^ya29\./),
    expires_in: 3599,
    scope:
      'openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile',
    token_type: 'Bearer',
    id_token: expect.any(String),
  })
})

test('no ID token comes without openid', async () => {
  expect(await signIn(google, { scope: 'email' })).not.toHaveProperty('id_token')
})

test('an access token ends after an hour', async () => {
  const { access_token } = await signIn(google)
  google.control.advance(3599)
  expect(await opens(access_token)).toBe(true)
  google.control.advance(1)
  expect(await opens(access_token)).toBe(false)
})

describe('a refusal', () => {
  test.each([
    [401, 'invalid_client', { client_secret: 'wrong' }],
    [401, 'invalid_client', { client_id: 'nobody' }],
    [400, 'unsupported_grant_type', { grant_type: 'password' }],
    [400, 'invalid_grant', { code: '4/0Aunknown' }],
    [400, 'invalid_grant', { code_verifier: verifier.toUpperCase() }],
    [400, 'redirect_uri_mismatch', { redirect_uri: 'http://127.0.0.1:9/other' }],
  ])('is %i %s for %o', async (status, error, parameters: Record<string, string>) => {
    const answer = await redeem(google, await newCode(), parameters)
    expect([answer.status, answer.body.error]).toEqual([status, error])
  })

  test('is invalid_grant "Bad Request" for a used code, and for an old one', async () => {
    const code = await newCode()
    expect((await redeem(google, code)).status).toBe(200)
    const refused = { error: 'invalid_grant', error_description: 'Bad Request' }
    expect((await redeem(google, code)).body).toEqual(refused)
    const late = await newCode()
    google.control.advance(600)
    expect((await redeem(google, late)).body).toEqual(refused)
  })

  test('is invalid_grant for a missing verifier', async () => {
    const code = (await newCode()) ?? ''
    const parameters = { grant_type: 'authorization_code', code, redirect_uri: redirectUri }
    expect((await askForToken(google, parameters)).body).toEqual({
      error: 'invalid_grant',
      error_description: 'Missing code verifier.',
    })
  })

  test('is invalid_request for anything but a form', async () => {
    const response = await fetch(`${google.issuer}/token`, {
      method: 'POST',
      body: JSON.stringify({ grant_type: 'refresh_token' }),
      headers: { 'content-type': 'application/json' },
    })
    expect(response.status).toBe(400)
  })
})

test('credentials may come by Basic, but not twice', async () => {
  const basic = { authorization: `Basic ${btoa('client:secret')}` }
  const proof = { grant_type: 'authorization_code', redirect_uri: redirectUri, code_verifier: verifier }
  const url = `${google.issuer}/token`
  expect((await post(url, { ...proof, code: (await newCode()) ?? '' }, basic)).status).toBe(200)
  const twice = { ...proof, code: (await newCode()) ?? '', client_id: 'client', client_secret: 'secret' }
  expect((await post(url, twice, basic)).body.error).toBe('invalid_request')
})

describe('a refresh', () => {
  const revoked = { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' }
  let first: Record<string, unknown>

  beforeEach(async () => {
    first = await signIn(google, { ...offline, scope: `openid ${calendar}` })
  })

  test('brings no new refresh token and leaves the old access token alive', async () => {
    const { body } = await refresh(google, first.refresh_token)
    expect(body).toEqual({
      access_token: expect.any(String),
      expires_in: 3599,
      scope: `openid ${calendar}`,
      token_type: 'Bearer',
      id_token: expect.any(String),
    })
    expect(await opens(first.access_token)).toBe(true)
    expect((await refresh(google, first.refresh_token)).status).toBe(200)
  })

  test('of an unknown token, or by another client, fails', async () => {
    expect((await refresh(google, '1//0unknown')).body).toEqual(revoked)
    google.control.addClient({ ...app, clientId: 'other' })
    expect((await refresh(google, first.refresh_token, { client_id: 'other' })).body).toEqual(revoked)
  })

  test('fails after six months without use', async () => {
    google.control.advance(180 * day - 1)
    expect((await refresh(google, first.refresh_token)).status).toBe(200)
    google.control.advance(180 * day)
    expect((await refresh(google, first.refresh_token)).body).toEqual(revoked)
  })

  test('can be told to fail with invalid_rapt, a policy, or a misconfigured client', async () => {
    google.control.set({ refreshError: 'invalid_rapt' })
    const rapt = await refresh(google, first.refresh_token)
    expect([rapt.status, rapt.body.error, rapt.body.error_subtype]).toEqual([
      400,
      'invalid_grant',
      'invalid_rapt',
    ])
    google.control.set({ refreshError: 'admin_policy_enforced' })
    expect((await refresh(google, first.refresh_token)).body.error).toBe('admin_policy_enforced')
    google.control.set({ refreshError: 'unauthorized_client' })
    expect((await refresh(google, first.refresh_token)).body.error).toBe('unauthorized_client')
    google.control.set({ refreshError: 'none' })
    expect((await refresh(google, first.refresh_token)).status).toBe(200)
  })
})

test('in Testing status refresh tokens live seven days, unless they only sign in', async () => {
  google.control.set({ testing: true })
  const identity = await signIn(google, offline)
  expect(identity).not.toHaveProperty('refresh_token_expires_in')
  const work = await signIn(google, { ...offline, scope: calendar })
  expect(work.refresh_token_expires_in).toBe(7 * day)
  google.control.advance(7 * day - 1)
  expect((await refresh(google, work.refresh_token)).status).toBe(200)
  google.control.advance(1)
  expect((await refresh(google, work.refresh_token)).status).toBe(400)
  expect((await refresh(google, identity.refresh_token)).status).toBe(200)
})

test('one refresh token too many silently kills the oldest', async () => {
  google.control.set({ liveRefreshTokens: 3 })
  const tokens: unknown[] = []
  for (let count = 0; count < 4; count += 1) {
    tokens.push((await signIn(google, { ...offline, prompt: 'consent' })).refresh_token)
  }
  const statuses = await Promise.all(tokens.map(async (token) => (await refresh(google, token)).status))
  expect(statuses).toEqual([400, 200, 200, 200])
})

describe('revocation', () => {
  const revoke = async (token: unknown) => post(`${google.issuer}/revoke`, { token: String(token) })

  test.each(['access_token', 'refresh_token'])('by the %s ends the whole grant', async (kind) => {
    const tokens = await signIn(google, offline)
    expect((await revoke(tokens[kind])).status).toBe(200)
    expect(await opens(tokens.access_token)).toBe(false)
    expect((await refresh(google, tokens.refresh_token)).status).toBe(400)
    expect(await signIn(google, offline)).toHaveProperty('refresh_token')
  })

  test('of an unknown token, or once more, is invalid_token', async () => {
    const tokens = await signIn(google)
    await revoke(tokens.access_token)
    const again = await revoke(tokens.access_token)
    expect([again.status, again.body.error]).toEqual([400, 'invalid_token'])
  })

  test('reaches the sibling clients of the same project, and no others', async () => {
    google.control.addClient({ ...app, project: 'one' })
    google.control.addClient({ ...app, clientId: 'sibling', project: 'one' })
    google.control.addClient({ ...app, clientId: 'stranger', project: 'two' })
    const tokenOf = async (clientId: string) => {
      const { code } = callbackOf(await authorize(google, { client_id: clientId }))
      return (await redeem(google, code, { client_id: clientId })).body.access_token
    }
    const [own, sibling, stranger] = [
      await tokenOf('client'),
      await tokenOf('sibling'),
      await tokenOf('stranger'),
    ]
    await revoke(own)
    expect([await opens(sibling), await opens(stranger)]).toEqual([false, true])
  })

  test('by the control API ends one token', async () => {
    const tokens = await signIn(google, offline)
    google.control.revoke({ token: String(tokens.refresh_token) })
    expect(await opens(tokens.access_token)).toBe(true)
    expect((await refresh(google, tokens.refresh_token)).status).toBe(400)
  })
})

describe('the API', () => {
  const events = async (scope: string) => {
    const { access_token } = await signIn(google, { scope })
    return get(`${google.issuer}/calendar/v3/calendars/primary/events`, String(access_token))
  }

  test('shows what the scopes allow at userinfo', async () => {
    const { access_token } = await signIn(google, { scope: 'openid email' })
    const { body } = await get(`${google.issuer}/v1/userinfo`, String(access_token))
    expect(body).toEqual({ sub: '1042', email: 'ada@acme.test', email_verified: true })
  })

  test('answers 401 with a challenge to unknown tokens', async () => {
    const { status, headers } = await get(`${google.issuer}/v1/userinfo`, 'ya29.unknown')
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toContain('invalid_token')
  })

  test('shows the calendar to a token with its scope only', async () => {
    const meeting = {
      summary: 'Planning',
      start: '2027-01-15T09:00:00Z',
      end: '2027-01-15T10:00:00Z',
    }
    google.control.addUser({ ...ada, events: [meeting] })
    expect((await events('openid')).status).toBe(403)
    expect((await events(calendar)).body).toMatchObject({ items: [{ summary: 'Planning' }] })
  })

  test('can be rate limited, sign-in aside', async () => {
    google.control.rateLimit({ seconds: 30, status: 403 })
    const { status, headers } = await events(calendar)
    expect([status, headers.get('retry-after')]).toEqual([403, '30'])
  })
})
