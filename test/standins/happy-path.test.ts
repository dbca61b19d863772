import * as openid from 'openid-client'
import { afterEach, expect, test } from 'vitest'
import { startAtlassian } from '../../standins/atlassian.ts'
import { startGithub } from '../../standins/github.ts'
import { startGoogle } from '../../standins/google.ts'
import { startOidc } from '../../standins/oidc.ts'
import { callbackOf, get, pkce, post, redirectUri, verifier, visit, withQuery } from './trip.ts'

const started: { stop(): Promise<void> }[] = []
const client = { clientId: 'client', clientSecret: 'secret', redirectUris: [redirectUri] }
const credentials = { client_id: 'client', client_secret: 'secret' }

afterEach(async () => {
  for (const standin of started.splice(0)) await standin.stop()
})

test('a GitHub sign-in ends with a token that opens the API', async () => {
  const github = await startGithub({ clients: [client], users: [{ id: 7, login: 'octocat' }] })
  started.push(github)
  github.control.autoApprove('octocat')

  const request = { client_id: 'client', redirect_uri: redirectUri, scope: 'read:user', state: 's', ...pkce }
  const callback = callbackOf(await visit(withQuery(`${github.web}/login/oauth/authorize`, request)))
  expect(callback).toMatchObject({
    state: 's',
    iss: github.issuer,
    code: expect.stringMatching(/^[0-9a-f]{20}$/),
  })
  const { body } = await post(`${github.web}/login/oauth/access_token`, {
    ...credentials,
    code: callback.code ?? '',
    redirect_uri: redirectUri,
    code_verifier: verifier,
  })
  expect(body).toMatchObject({ scope: 'read:user', token_type: 'bearer' })

  const user = await get(`${github.api}/user`, String(body.access_token))
  expect(user.body).toMatchObject({ id: 7, login: 'octocat' })
  expect(github.calls('POST /login/oauth/access_token')).toMatchObject([
    { origin: 'web', status: 200, body: { code_verifier: verifier } },
  ])
})

test('a Google sign-in works with a real OpenID Connect client', async () => {
  const user = { sub: '1042', email: 'ada@acme.test', name: 'Ada', hd: 'acme.test' }
  const google = await startGoogle({ clients: [client], users: [user] })
  started.push(google)
  google.control.autoApprove('ada@acme.test')
  const config = await openid.discovery(new URL(google.issuer), 'client', 'secret', undefined, {
    execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks],
  })
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid email profile',
    access_type: 'offline',
    state: 's',
    nonce: 'n',
    ...pkce,
  })
  const back = new URL((await visit(url.href)).headers.get('location') ?? '')
  const tokens = await openid.authorizationCodeGrant(config, back, {
    pkceCodeVerifier: verifier,
    expectedState: 's',
    expectedNonce: 'n',
  })
  expect(tokens.claims()).toMatchObject({ sub: '1042', email_verified: true, name: 'Ada', hd: 'acme.test' })

  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
  expect(refreshed.refresh_token).toBeUndefined()
  expect(await openid.fetchUserInfo(config, refreshed.access_token, '1042')).toMatchObject({
    email: user.email,
  })
})

test('an Atlassian sign-in opens the site that was picked', async () => {
  const scopes = ['read:me', 'read:jira-user']
  const atlassian = await startAtlassian({
    clients: [{ clientId: 'client', clientSecret: 'secret', redirectUri, scopes }],
    sites: [{ id: 'cloud-1', name: 'acme' }],
    users: [{ accountId: '557058:ada', name: 'Ada', email: 'ada@acme.test', sites: ['cloud-1'] }],
  })
  started.push(atlassian)
  atlassian.control.autoApprove('557058:ada')

  const request = {
    audience: 'api.atlassian.com',
    client_id: 'client',
    redirect_uri: redirectUri,
    response_type: 'code',
    prompt: 'consent',
    scope: [...scopes, 'offline_access'].join(' '),
    state: 's',
    ...pkce,
  }
  const callback = callbackOf(await visit(withQuery(`${atlassian.auth}/authorize`, request)))
  const { body } = await post(`${atlassian.auth}/oauth/token`, {
    ...credentials,
    grant_type: 'authorization_code',
    code: callback.code ?? '',
    redirect_uri: redirectUri,
    code_verifier: verifier,
  })
  expect(body).toMatchObject({ expires_in: 3600, refresh_token: expect.any(String) })

  const token = String(body.access_token)
  expect((await get(`${atlassian.api}/me`, token)).body).toMatchObject({ account_id: '557058:ada' })
  expect((await get(`${atlassian.api}/oauth/token/accessible-resources`, token)).body).toMatchObject([
    { id: 'cloud-1', scopes: ['read:jira-user'] },
  ])
  expect((await get(`${atlassian.api}/ex/jira/cloud-1/rest/api/3/myself`, token)).status).toBe(200)
})

test("a sign-in at a third party's OpenID Provider works and can be refreshed", async () => {
  const user = { sub: 'ada', email: 'ada@acme.test', name: 'Ada' }
  const oidc = await startOidc({ clients: [client], users: [user] })
  started.push(oidc)
  oidc.control.autoApprove('ada')
  const config = await openid.discovery(
    new URL(oidc.issuer),
    'client',
    'secret',
    openid.ClientSecretBasic('secret'),
    {
      execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks],
    },
  )
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid email profile offline_access',
    prompt: 'consent',
    state: 's',
    nonce: 'n',
    ...pkce,
  })
  const cookies = new Map<string, string>()
  let location = url.href
  while (location.startsWith(oidc.issuer)) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await visit(location, { cookie })
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=')
      cookies.set(name, value)
    }
    location = new URL(response.headers.get('location') ?? '', location).href
  }
  const tokens = await openid.authorizationCodeGrant(config, new URL(location), {
    pkceCodeVerifier: verifier,
    expectedState: 's',
    expectedNonce: 'n',
  })
  expect(tokens.claims()).toMatchObject({ sub: 'ada', email: 'ada@acme.test', email_verified: true })

  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
  expect(refreshed.refresh_token).not.toBe(tokens.refresh_token)
  expect(await openid.fetchUserInfo(config, refreshed.access_token, 'ada')).toMatchObject({ name: 'Ada' })
  await expect(openid.refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  })
})
