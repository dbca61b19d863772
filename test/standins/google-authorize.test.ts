import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Google } from '../../standins/google.ts'
import { ada, app, authorize, calendar, offline, redeem, signIn, startSeeded } from './google-client.ts'
import { callbackOf, get, redirectUri } from './trip.ts'

let google: Google

beforeEach(async () => {
  google = await startSeeded()
})
afterEach(() => google.stop())

describe('discovery', () => {
  const discover = async () =>
    (await get(`${google.issuer}/.well-known/openid-configuration`)).body as Record<string, unknown>

  test('names every endpoint on the issuer itself', async () => {
    const document = await discover()
    expect(document).toMatchObject({
      issuer: google.issuer,
      authorization_endpoint: `${google.issuer}/o/oauth2/v2/auth`,
      token_endpoint: `${google.issuer}/token`,
      userinfo_endpoint: `${google.issuer}/v1/userinfo`,
      revocation_endpoint: `${google.issuer}/revoke`,
      jwks_uri: `${google.issuer}/oauth2/v3/certs`,
      scopes_supported: ['openid', 'email', 'profile'],
    })
    expect(document).not.toHaveProperty('introspection_endpoint')
  })

  test('promises iss or not, whether it is sent or not', async () => {
    google.control.set({ advertiseIss: false })
    expect(await discover()).not.toHaveProperty('authorization_response_iss_parameter_supported')
    expect(callbackOf(await authorize(google)).iss).toBe(google.issuer)
    google.control.set({ advertiseIss: true })
    google.control.iss('never')
    expect(await discover()).toMatchObject({ authorization_response_iss_parameter_supported: true })
    expect(callbackOf(await authorize(google))).not.toHaveProperty('iss')
  })
})

describe("what goes wrong on Google's own page", () => {
  test.each([
    ['invalid_client', { client_id: 'nobody' }],
    ['redirect_uri_mismatch', { redirect_uri: `${redirectUri}/` }],
    ['unsupported_response_type', { response_type: 'token' }],
    ['invalid_scope', { scope: 'openid offline_access' }],
    ['invalid_request', { scope: '' }],
    ['invalid_request', { prompt: 'login' }],
    ['invalid_request', { prompt: 'none consent' }],
    ['invalid_request', { access_type: 'always' }],
    ['invalid_request', { code_challenge_method: 'S512' }],
  ])('is %s for %o', async (error, parameters: Record<string, string>) => {
    const response = await authorize(google, parameters)
    expect(response.headers.get('location')).toBeNull()
    expect(response.status).toBeGreaterThanOrEqual(400)
    expect(await response.text()).toContain(error)
  })

  test.each(['admin_policy_enforced', 'org_internal', 'disallowed_useragent'] as const)(
    'is %s when switched',
    async (pageError) => {
      google.control.set({ pageError })
      const response = await authorize(google)
      expect(response.headers.get('location')).toBeNull()
      expect(await response.text()).toContain(pageError)
    },
  )

  test('is deleted_client for a deleted client, and invalid_client at the token endpoint stays apart', async () => {
    const { code } = callbackOf(await authorize(google))
    google.control.addClient({ ...app, deleted: true })
    expect(await (await authorize(google)).text()).toContain('deleted_client')
    expect((await redeem(google, code)).body.error).toBe('deleted_client')
  })

  test("is org_internal for people outside the app's organization", async () => {
    google.control.addClient({ ...app, organization: 'acme.test' })
    expect(await (await authorize(google)).text()).toContain('org_internal')
    google.control.addUser({ ...ada, hd: 'acme.test' })
    expect((await authorize(google)).status).toBe(302)
  })
})

test('the callback carries scope, authuser, prompt, hd and iss', async () => {
  google.control.addUser({ ...ada, hd: 'acme.test' })
  expect(callbackOf(await authorize(google))).toEqual({
    code: expect.stringMatching(/^4\/0A/),
    state: 's',
    scope: 'openid https://www.googleapis.com/auth/userinfo.email',
    authuser: '0',
    prompt: 'consent',
    hd: 'acme.test',
    iss: google.issuer,
  })
  expect(callbackOf(await authorize(google)).prompt).toBe('none')
})

test('a denied request is access_denied', async () => {
  google.control.deny()
  expect(callbackOf(await authorize(google))).toMatchObject({ error: 'access_denied', state: 's' })
})

describe('prompt=none', () => {
  const errorOf = async (parameters = {}) =>
    callbackOf(await authorize(google, { prompt: 'none', ...parameters })).error

  test('is login_required without anybody signed in', async () => {
    google.control.currentUser(null)
    expect(await errorOf()).toBe('login_required')
  })

  test('is consent_required before consent, and for a further scope', async () => {
    expect(await errorOf()).toBe('consent_required')
    await signIn(google)
    expect(await errorOf()).toBeUndefined()
    expect(await errorOf({ scope: `openid email ${calendar}` })).toBe('consent_required')
  })

  test('is interaction_required when somebody else is signed in than hinted', async () => {
    await signIn(google)
    expect(await errorOf({ login_hint: 'bob@acme.test' })).toBe('interaction_required')
    expect(await errorOf({ login_hint: 'ada@acme.test' })).toBeUndefined()
  })
})

describe('a refresh token', () => {
  test('never comes without access_type=offline', async () => {
    expect(await signIn(google)).not.toHaveProperty('refresh_token')
    expect(await signIn(google, { prompt: 'consent' })).not.toHaveProperty('refresh_token')
  })

  test('comes with the first consent only', async () => {
    expect((await signIn(google, offline)).refresh_token).toMatch(/^1\/\/0/)
    expect(await signIn(google, offline)).not.toHaveProperty('refresh_token')
  })

  test('comes again with prompt=consent', async () => {
    await signIn(google, offline)
    const again = await signIn(google, { ...offline, prompt: 'select_account consent' })
    expect(again).toHaveProperty('refresh_token')
    expect(await signIn(google, { ...offline, prompt: 'select_account' })).not.toHaveProperty('refresh_token')
  })

  test('comes for each client and each user', async () => {
    await signIn(google, offline)
    google.control.addUser({ sub: '1043', email: 'bob@acme.test' })
    google.control.currentUser('bob@acme.test')
    expect(await signIn(google, offline)).toHaveProperty('refresh_token')
  })

  test('comes again once the user has removed the access', async () => {
    await signIn(google, offline)
    google.control.revoke({ user: 'ada@acme.test', clientId: 'client' })
    expect(await signIn(google, offline)).toHaveProperty('refresh_token')
  })
})

describe('granular consent', () => {
  const scope = `openid email ${calendar}`
  const email = 'https://www.googleapis.com/auth/userinfo.email'

  test('lets a person untick scopes, those for signing in excepted', async () => {
    google.control.untick([calendar, email, 'openid'])
    expect((await signIn(google, { scope })).scope).toBe(`openid ${email}`)
  })

  test('asks again for what was unticked', async () => {
    google.control.untick([calendar])
    await signIn(google, { scope })
    google.control.ask()
    expect((await authorize(google, { scope: 'openid email' })).status).toBe(302)
    expect((await authorize(google, { scope })).status).toBe(200)
  })

  test('is denied altogether when nothing is left', async () => {
    google.control.untick([calendar])
    expect(callbackOf(await authorize(google, { scope: calendar })).error).toBe('access_denied')
  })
})

test('include_granted_scopes=true gives the union with earlier grants', async () => {
  await signIn(google, { scope: calendar })
  expect((await signIn(google, { scope: 'openid' })).scope).toBe('openid')
  const union = await signIn(google, { scope: 'openid', include_granted_scopes: 'true' })
  expect(String(union.scope).split(' ').toSorted()).toEqual([calendar, 'openid'])
})
