import { expect, test } from 'vitest'
import type { AuthorizationTrip } from '../../src/upstream/authorization-url.ts'
import type { Provider } from '../../src/upstream/provider.ts'
import {
  connect,
  newTrip,
  redirectUri,
  testProvider,
  testUpstream,
  tokensOf,
  urlOf,
} from '../support/upstream.ts'
import { githubWith, googleWith, oidcWith } from '../support/upstream-standins.ts'

async function parametersOf(
  provider: Provider,
  trip: Partial<AuthorizationTrip> = {},
): Promise<Record<string, string>> {
  return Object.fromEntries((await urlOf(testUpstream(), provider, trip)).searchParams)
}

const { state, codeChallenge, nonce } = newTrip()

const everywhere = {
  response_type: 'code',
  client_id: 'coatcheck',
  redirect_uri: redirectUri,
  state,
  code_challenge: codeChallenge,
  code_challenge_method: 'S256',
}

test('GitHub is asked as it documents, and for nothing else', async () => {
  const url = await urlOf(testUpstream(), testProvider('github'), { scopes: ['repo'], loginHint: 'octocat' })
  expect(`${url.origin}${url.pathname}`).toBe('https://github.com/login/oauth/authorize')
  expect(Object.fromEntries(url.searchParams)).toEqual({
    ...everywhere,
    scope: 'read:user user:email repo offline_access',
    allow_signup: 'false',
    login: 'octocat',
  })
})

test('a GitHub App is asked for no scope at all', async () => {
  expect(await parametersOf(testProvider('github-app'))).toEqual({ ...everywhere, allow_signup: 'false' })
})

test('Google is asked for a refresh token by a parameter, never by a scope', async () => {
  const { standin, provider } = await googleWith()
  const url = await urlOf(testUpstream(), provider, {
    scopes: ['offline_access'],
    loginHint: 'ada@acme.test',
  })
  expect(url.origin).toBe(standin.issuer)
  expect(Object.fromEntries(url.searchParams)).toEqual({
    ...everywhere,
    nonce,
    scope: 'openid email profile',
    access_type: 'offline',
    include_granted_scopes: 'false',
    login_hint: 'ada@acme.test',
  })
})

test('Atlassian is told its audience, and spared the scopes it breaks on', async () => {
  const scopes = ['read:jira-work', 'openid', 'email']
  expect(await parametersOf(testProvider('atlassian'), { scopes, loginHint: 'lin@acme.test' })).toEqual({
    ...everywhere,
    scope: 'read:me read:jira-work offline_access',
    audience: 'api.atlassian.com',
    prompt: 'consent',
  })
})

test('OpenID Connect asks for offline access together with consent', async () => {
  const { provider } = await oidcWith()
  const parameters = await parametersOf(provider, { maxAge: 300, prompts: ['login'] })
  expect(parameters).toEqual({
    ...everywhere,
    nonce,
    scope: 'openid email profile offline_access',
    prompt: 'consent login',
    max_age: '300',
  })
})

test('where no refresh token is wanted, nothing asks for one', async () => {
  const { provider } = await googleWith()
  expect(await parametersOf(provider, { refreshToken: 'unwanted' })).not.toHaveProperty('access_type')
  const { scope } = await parametersOf(testProvider('github'), { refreshToken: 'unwanted' })
  expect(scope).toBe('read:user user:email')
})

test('a prompt that a provider does not have is not asked for', async () => {
  const github = testProvider('github')
  expect(await parametersOf(github, { prompts: ['consent', 'login'] })).not.toHaveProperty('prompt')
  expect(await parametersOf(github, { prompts: ['select_account'] })).toMatchObject({
    prompt: 'select_account',
  })
  const { provider } = await googleWith()
  expect(await parametersOf(provider, { prompts: ['select_account', 'consent'] })).toMatchObject({
    prompt: 'select_account consent',
  })
  expect(await parametersOf(github, { maxAge: 5 })).not.toHaveProperty('max_age')
})

test('where another account is wanted, a plain OpenID Provider is asked for a login: many refuse the choice', async () => {
  const { provider } = await oidcWith()
  const prompts = ['select_account'] as const
  expect((await parametersOf(provider, { prompts, refreshToken: 'unwanted' })).prompt).toBe('login')
})

test('a descriptor can leave PKCE off and separate scopes by commas', async () => {
  const provider = testProvider({ extends: 'github', pkce: 'off', scopes: { separator: ',' } })
  const parameters = await parametersOf(provider)
  expect(parameters).not.toHaveProperty('code_challenge')
  expect(parameters.scope).toBe('read:user,user:email,offline_access')
})

test('PKCE left off is left off at the token endpoint, too', async () => {
  const { standin, provider } = await githubWith({ overlay: { pkce: 'off' } })
  tokensOf(await connect(testUpstream(), provider))
  expect(standin.calls('POST /login/oauth/access_token')[0]?.body).not.toHaveProperty('code_verifier')
})

test('what a client said cannot add a parameter', async () => {
  const hint = 'x&redirect_uri=https://evil.test&scope=admin:org'
  const parameters = await parametersOf(testProvider('github'), { loginHint: hint })
  expect(parameters).toMatchObject({ ...everywhere, login: hint })
})

test('an endpoint’s own query stays', async () => {
  const authorization_endpoint = 'https://github.com/login/oauth/authorize?policy=acme'
  const provider = testProvider({ extends: 'github', server: { authorization_endpoint } })
  expect(await parametersOf(provider)).toMatchObject({ ...everywhere, policy: 'acme' })
})
