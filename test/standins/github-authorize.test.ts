import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { redirectAllowed } from '../../standins/github/redirect-uri.ts'
import type { Github } from '../../standins/github.ts'
import { authorize, request, signIn, startSeeded } from './github-client.ts'
import { callbackOf, challenge, redirectUri, visit, withQuery } from './trip.ts'

let github: Github

beforeEach(async () => {
  github = await startSeeded()
})
afterEach(() => github.stop())

test('an unknown client is a 404 page', async () => {
  const response = await authorize(github, { client_id: 'nobody' })
  expect(response.status).toBe(404)
  expect(response.headers.get('content-type')).toContain('text/html')
})

test('a redirect_uri that is not registered goes to the first registered one, as an error', async () => {
  const response = await authorize(github, { redirect_uri: 'https://attacker.example/callback' })
  expect(response.headers.get('location')).toContain(redirectUri)
  expect(callbackOf(response)).toMatchObject({
    error: 'redirect_uri_mismatch',
    error_description: expect.any(String),
    error_uri: expect.stringContaining('docs.github.com'),
    state: 's',
  })
})

test('a suspended app gets application_suspended', async () => {
  github.control.addClient({
    clientId: 'client',
    clientSecret: 'secret',
    redirectUris: [redirectUri],
    suspended: true,
  })
  expect(callbackOf(await authorize(github)).error).toBe('application_suspended')
})

test('a denied request comes back as access_denied with its state', async () => {
  github.control.deny()
  expect(callbackOf(await authorize(github))).toMatchObject({ error: 'access_denied', state: 's' })
})

describe('PKCE needs a challenge and S256 together', () => {
  test.each([
    ['a challenge without a method', { code_challenge: challenge }],
    ['a method without a challenge', { code_challenge_method: 'S256' }],
    ['plain', { code_challenge: challenge, code_challenge_method: 'plain' }],
    ['a challenge that is no SHA-256', { code_challenge: 'short', code_challenge_method: 'S256' }],
  ])('%s is refused', async (_, parameters: Record<string, string>) => {
    const response = await visit(
      withQuery(`${github.web}/login/oauth/authorize`, { ...request, ...parameters }),
    )
    expect(response.status).toBe(400)
  })
})

test('a repeated parameter is refused', async () => {
  const url = withQuery(`${github.web}/login/oauth/authorize`, request)
  expect((await visit(`${url}&scope=repo`)).status).toBe(400)
})

test('nobody signed in gets a page, even with automatic approval', async () => {
  github.control.currentUser(null)
  expect((await authorize(github)).status).toBe(200)
})

describe('a person who is asked', () => {
  beforeEach(() => github.control.ask())

  test('sees a page the first time and none the second', async () => {
    expect((await authorize(github)).status).toBe(200)
    github.control.autoApprove()
    await signIn(github)
    github.control.ask()
    expect((await authorize(github)).status).toBe(302)
  })

  test('sees a page again for a further scope', async () => {
    github.control.autoApprove()
    await signIn(github, { scope: 'repo' })
    github.control.ask()
    expect((await authorize(github, { scope: 'repo gist' })).status).toBe(200)
    expect((await authorize(github, { scope: 'public_repo' })).status).toBe(302)
  })

  test('sees a page again when an account is to be selected', async () => {
    github.control.autoApprove()
    await signIn(github)
    github.control.ask()
    expect((await authorize(github, { prompt: 'select_account' })).status).toBe(200)
  })

  test('finds the hinted account selected', async () => {
    github.control.addUser({ id: 8, login: 'hubot' })
    const page = await (await authorize(github, { login: 'hubot' })).text()
    expect(page).toContain('value="8" checked')
    expect(page).toContain('value="7">')
  })
})

test('an empty scope gives the union of all past grants', async () => {
  await signIn(github, { scope: 'gist' })
  await signIn(github, { scope: 'read:user' })
  expect(await signIn(github, { scope: '' })).toMatchObject({ scope: 'gist,read:user' })
})

test('a person may grant less than was asked', async () => {
  github.control.untick(['repo'])
  expect(await signIn(github, { scope: 'repo read:user' })).toMatchObject({ scope: 'read:user' })
})

describe('iss on the way back', () => {
  const modes = {
    always: (issuer: string) => [issuer],
    never: () => [],
    wrong: () => ['https://issuer.invalid'],
    duplicate: (issuer: string) => [issuer, issuer],
  }
  test.each(Object.entries(modes))('%s', async (mode, expected) => {
    github.control.iss(mode as keyof typeof modes)
    const location = new URL((await authorize(github)).headers.get('location') ?? '')
    expect(location.searchParams.getAll('iss')).toEqual(expected(github.issuer))
  })

  test('another issuer by name', async () => {
    github.control.iss({ value: 'https://github.com' })
    expect(callbackOf(await authorize(github)).iss).toBe('https://github.com')
  })
})

describe('a callback URL that matches by wildcard', () => {
  const registered = [{ uri: 'http://example.com/path', match: 'wildcard' as const }]
  test.each([
    ['http://example.com/path', true],
    ['http://example.com/path/subdir/other', true],
    ['http://oauth.example.com/path', true],
    ['http://oauth.example.com/path/subdir/other', true],
    ['http://example.com/bar', false],
    ['http://example.com/', false],
    ['http://example.com/pathological', false],
    ['http://example.com/path/../bar', false],
    ['http://example.com:8080/path', false],
    ['http://oauth.example.com:8080/path', false],
    ['http://example.org', false],
    ['http://badexample.com/path', false],
    ['https://example.com/path', false],
    ['not a url', false],
  ])('%s: %s', (requested, allowed) => {
    expect(redirectAllowed(registered, requested)).toBe(allowed)
  })

  test('lets a loopback address have any port', () => {
    const loopback = [{ uri: 'http://127.0.0.1/path', match: 'wildcard' as const }]
    expect(redirectAllowed(loopback, 'http://127.0.0.1:1234/path')).toBe(true)
    expect(redirectAllowed(loopback, 'http://localhost:1234/path')).toBe(false)
  })
})

test('a callback URL that matches exactly matches nothing else', () => {
  const registered = [{ uri: 'http://example.com/path', match: 'exact' as const }]
  expect(redirectAllowed(registered, 'http://example.com/path')).toBe(true)
  expect(redirectAllowed(registered, 'http://example.com/path/more')).toBe(false)
  expect(redirectAllowed(registered, 'http://example.com/path/')).toBe(false)
})
