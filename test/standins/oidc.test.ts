import * as openid from 'openid-client'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Oidc, startOidc } from '../../standins/oidc.ts'
import { type Parameters, pkce, redirectUri, verifier, visit } from './trip.ts'

const client = { clientId: 'client', clientSecret: 's+/=cret', redirectUris: [redirectUri] }
const ada = { sub: 'ada', email: 'ada@acme.test', name: 'Ada' }
const bob = { sub: 'bob', email: 'bob@acme.test', name: 'Bob', emailVerified: false }

let oidc: Oidc
let config: openid.Configuration
let cookies: Map<string, string>

beforeEach(async () => {
  oidc = await startOidc({ clients: [client], users: [ada, bob] })
  oidc.control.autoApprove('ada@acme.test')
  cookies = new Map()
  config = await openid.discovery(
    new URL(oidc.issuer),
    'client',
    undefined,
    openid.ClientSecretBasic(client.clientSecret),
    { execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks] },
  )
})
afterEach(() => oidc.stop())

async function step(url: string): Promise<Response> {
  const response = await visit(url, {
    cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
  })
  for (const line of response.headers.getSetCookie()) {
    const [name = '', ...value] = (line.split(';')[0] ?? '').split('=')
    cookies.set(name, value.join('='))
  }
  return response
}

/** Follows redirects inside the provider; ends at a page, or at the redirect back to the client. */
async function authorize(parameters: Parameters = {}): Promise<Response> {
  const request = {
    redirect_uri: redirectUri,
    scope: 'openid email profile offline_access',
    prompt: 'consent',
    state: 's',
    nonce: 'n',
    ...pkce,
    ...parameters,
  }
  let response = await step(openid.buildAuthorizationUrl(config, request).href)
  for (;;) {
    const location = response.headers.get('location')
    if (!location || location.startsWith(redirectUri)) return response
    response = await step(new URL(location, oidc.issuer).href)
  }
}

const back = async (parameters: Parameters = {}) =>
  new URL((await authorize(parameters)).headers.get('location') ?? '')

const redeem = async (callback: URL) =>
  openid.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier,
    expectedState: 's',
    expectedNonce: 'n',
  })

test('a sign-in shows the claims of the person', async () => {
  expect((await redeem(await back())).claims()).toMatchObject({
    sub: 'ada',
    name: 'Ada',
    email: 'ada@acme.test',
    email_verified: true,
  })
})

test('claims may be kept for userinfo', async () => {
  await oidc.stop()
  oidc = await startOidc({ clients: [client], users: [ada], claims: 'userinfo' })
  oidc.control.autoApprove('ada')
  config = await openid.discovery(new URL(oidc.issuer), 'client', client.clientSecret, undefined, {
    execute: [openid.allowInsecureRequests],
  })
  oidc.control.addClient({ ...client, auth: 'client_secret_post' })
  const tokens = await redeem(await back())
  expect(tokens.claims()).not.toHaveProperty('email')
  expect(await openid.fetchUserInfo(config, tokens.access_token, 'ada')).toMatchObject({ email: ada.email })
})

test('another person at the browser is signed in anew', async () => {
  await redeem(await back())
  oidc.control.currentUser('bob@acme.test')
  const claims = (await redeem(await back())).claims()
  expect(claims).toMatchObject({ sub: 'bob', email_verified: false })
})

test('PKCE is required, and verified', async () => {
  const url = new URL(`${oidc.issuer}/auth`)
  const request = { client_id: 'client', redirect_uri: redirectUri, response_type: 'code', scope: 'openid' }
  url.search = String(new URLSearchParams(request))
  expect((await step(url.href)).headers.get('location')).toContain('error=invalid_request')
  const grant = openid.authorizationCodeGrant(config, await back(), {
    pkceCodeVerifier: verifier.toUpperCase(),
    expectedState: 's',
    expectedNonce: 'n',
  })
  await expect(grant).rejects.toMatchObject({ error: 'invalid_grant' })
})

test('an unregistered redirect_uri is refused on the spot', async () => {
  const response = await authorize({ redirect_uri: 'http://127.0.0.1:9/other' })
  expect(response.status).toBe(400)
})

test('a wrong secret is invalid_client', async () => {
  const wrong = new openid.Configuration(
    config.serverMetadata(),
    'client',
    undefined,
    openid.ClientSecretBasic('wrong'),
  )
  openid.allowInsecureRequests(wrong)
  await expect(openid.refreshTokenGrant(wrong, 'unknown')).rejects.toMatchObject({ status: 401 })
})

test('a denied request is access_denied, with iss', async () => {
  oidc.control.deny()
  const callback = await back()
  expect(Object.fromEntries(callback.searchParams)).toMatchObject({
    error: 'access_denied',
    state: 's',
    iss: oidc.issuer,
  })
})

test('iss can be withheld, and parameters changed once', async () => {
  oidc.control.iss('never')
  oidc.control.nextCallback({ append: [['state', 'twice']] })
  const callback = await back()
  expect(callback.searchParams.has('iss')).toBe(false)
  expect(callback.searchParams.getAll('state')).toEqual(['s', 'twice'])
  expect((await back()).searchParams.getAll('state')).toEqual(['s'])
})

test('prompt=none without a session is login_required', async () => {
  expect((await back({ prompt: 'none' })).searchParams.get('error')).toBe('login_required')
})

test('a person who is asked sees a page and decides', async () => {
  oidc.control.ask()
  const page = await authorize({ login_hint: 'bob@acme.test' })
  expect(page.status).toBe(200)
  const html = await page.text()
  expect(html).toContain('value="bob" checked')
  const action = /action="([^"]+)"/.exec(html)?.[1] ?? ''
  const response = await fetch(oidc.issuer + action, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ user: 'bob', decision: 'approve' }),
    headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
  })
  const resume = await step(new URL(response.headers.get('location') ?? '', oidc.issuer).href)
  expect((await redeem(new URL(resume.headers.get('location') ?? ''))).claims()).toMatchObject({ sub: 'bob' })
})

test('a browser without a sign-in under way gets a page', async () => {
  expect((await visit(`${oidc.issuer}/interaction/unknown`)).status).toBe(400)
})

describe('refresh tokens', () => {
  const refused = { error: 'invalid_grant' }
  const newToken = async (parameters: Parameters = {}) =>
    (await redeem(await back(parameters))).refresh_token ?? ''

  test('come for offline_access, or always, or never', async () => {
    expect(await newToken({ scope: 'openid' })).toBe('')
    oidc.control.set({ refreshTokens: 'always' })
    expect(await newToken({ scope: 'openid' })).not.toBe('')
    oidc.control.set({ refreshTokens: 'never' })
    expect(await newToken()).toBe('')
  })

  test('rotate, and a replay ends the family', async () => {
    const first = await newToken()
    const second = (await openid.refreshTokenGrant(config, first)).refresh_token ?? ''
    await expect(openid.refreshTokenGrant(config, first)).rejects.toMatchObject(refused)
    await expect(openid.refreshTokenGrant(config, second)).rejects.toMatchObject(refused)
  })

  test('stay the same when rotation is off', async () => {
    oidc.control.set({ rotates: false })
    const first = await newToken()
    expect((await openid.refreshTokenGrant(config, first)).refresh_token).toBe(first)
  })

  test('die when revoked at the endpoint', async () => {
    const first = await newToken()
    await openid.tokenRevocation(config, first)
    await expect(openid.refreshTokenGrant(config, first)).rejects.toMatchObject(refused)
  })

  test('die when the user removes the app', async () => {
    const first = await newToken()
    expect(oidc.control.revoke({ user: 'ada', clientId: 'client' })).toBeGreaterThan(0)
    await expect(openid.refreshTokenGrant(config, first)).rejects.toMatchObject(refused)
  })
})

describe('the virtual clock', () => {
  test('ends access tokens and refresh tokens', async () => {
    const tokens = await redeem(await back())
    const info = () => openid.fetchUserInfo(config, tokens.access_token, 'ada')
    oidc.control.advance(3590)
    await expect(info()).resolves.toMatchObject({ sub: 'ada' })
    oidc.control.advance(20)
    await expect(info()).rejects.toMatchObject({ status: 401 })
    oidc.control.advance(1_209_600)
    const late = openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
    await expect(late).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('dates ID tokens', async () => {
    const before = (await redeem(await back())).claims()?.iat ?? 0
    oidc.control.advance(1_000)
    config = new openid.Configuration(
      config.serverMetadata(),
      'client',
      { [openid.clockSkew]: 1_000 },
      openid.ClientSecretBasic(client.clientSecret),
    )
    openid.allowInsecureRequests(config)
    const after = (await redeem(await back())).claims()?.iat ?? 0
    expect(after - before).toBeGreaterThanOrEqual(1_000)
    expect(after - before).toBeLessThan(1_010)
  })
})

test('everything issued is on record, and every call in the log', async () => {
  const tokens = await redeem(await back())
  const issued = oidc.control.issued()
  expect(issued.map(({ kind }) => kind).toSorted()).toEqual([
    'access_token',
    'code',
    'id_token',
    'refresh_token',
  ])
  expect(issued.map(({ value }) => value)).toEqual(
    expect.arrayContaining([tokens.access_token, tokens.refresh_token, tokens.id_token]),
  )
  expect(oidc.calls('POST /token')).toMatchObject([{ status: 200, body: { code_verifier: verifier } }])
})

test('faults are laid over its answers', async () => {
  const callback = await back()
  oidc.control.script({ on: 'POST /token', effect: { kind: 'patch', omit: ['id_token'] } })
  await expect(redeem(callback)).rejects.toMatchObject({ code: 'OAUTH_INVALID_RESPONSE' })
})
