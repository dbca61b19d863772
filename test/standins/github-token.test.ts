import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Github } from '../../standins/github.ts'
import {
  askForToken,
  authorize,
  credentials,
  octocat,
  refresh,
  signIn,
  startSeeded,
} from './github-client.ts'
import { callbackOf, get, post, redirectUri, verifier } from './trip.ts'

const hour = 3600
const app = { clientId: 'client', clientSecret: 'secret', redirectUris: [redirectUri] }

let github: Github

beforeEach(async () => {
  github = await startSeeded()
})
afterEach(() => github.stop())

const newCode = async (parameters = {}) => callbackOf(await authorize(github, parameters)).code ?? ''
const proof = { redirect_uri: redirectUri, code_verifier: verifier }
const opens = async (token: unknown) => (await get(`${github.api}/user`, String(token))).status === 200

describe('the answer', () => {
  const ask = async (accept: string) => {
    const body = new URLSearchParams({ ...credentials, ...proof, code: await newCode() })
    const url = `${github.web}/login/oauth/access_token`
    const response = await fetch(url, { method: 'POST', body, headers: { accept } })
    return { type: response.headers.get('content-type'), text: await response.text() }
  }

  test('is a form unless something else is asked for', async () => {
    const { type, text } = await ask('*/*')
    expect(type).toBe('application/x-www-form-urlencoded; charset=utf-8')
    expect(new URLSearchParams(text).get('access_token')).toMatch(/^gho_[A-Za-z0-9]{36}$/)
  })

  test('is JSON for application/json', async () => {
    const { text } = await ask('application/json')
    expect(JSON.parse(text)).toEqual({
      access_token: expect.stringMatching(/^gho_/),
      scope: 'read:user',
      token_type: 'bearer',
    })
  })

  test('is XML for application/xml', async () => {
    const { type, text } = await ask('application/xml')
    expect(type).toContain('application/xml')
    expect(text).toMatch(/<OAuth><access_token>gho_/)
  })
})

test('a JSON request works as well', async () => {
  const response = await fetch(`${github.web}/login/oauth/access_token`, {
    method: 'POST',
    body: JSON.stringify({ ...credentials, ...proof, code: await newCode() }),
    headers: { accept: 'application/json', 'content-type': 'application/json' },
  })
  expect(await response.json()).toMatchObject({ token_type: 'bearer' })
})

describe('a refusal', () => {
  const refused = async (parameters: Record<string, string>) => {
    const { status, body } = await askForToken(github, { ...proof, code: await newCode(), ...parameters })
    expect(body).toMatchObject({ error_description: expect.any(String), error_uri: expect.any(String) })
    return [status, body.error]
  }

  test.each([
    ['incorrect_client_credentials', { client_secret: 'wrong' }],
    ['incorrect_client_credentials', { client_id: 'nobody' }],
    ['unsupported_grant_type', { grant_type: 'password' }],
    ['bad_verification_code', { code: '0123456789abcdef0123' }],
    ['bad_verification_code', { code_verifier: verifier.toUpperCase() }],
    ['redirect_uri_mismatch', { redirect_uri: 'http://127.0.0.1:9/other' }],
  ])('%s comes with status 200 for %o', async (error, parameters: Record<string, string>) => {
    expect(await refused(parameters)).toEqual([200, error])
  })

  test('comes with status 400 when switched', async () => {
    github.control.set({ errorStatus: 400 })
    expect(await refused({ client_secret: 'wrong' })).toEqual([400, 'incorrect_client_credentials'])
  })

  test('the client is checked before the grant, the grant before the code', async () => {
    expect(await refused({ client_secret: 'x', grant_type: 'x', code: 'x' })).toEqual([
      200,
      'incorrect_client_credentials',
    ])
    expect(await refused({ grant_type: 'x', code: 'x' })).toEqual([200, 'unsupported_grant_type'])
  })

  test('a missing verifier fails', async () => {
    const { body } = await askForToken(github, { redirect_uri: redirectUri, code: await newCode() })
    expect(body.error).toBe('bad_verification_code')
  })

  test('a missing redirect_uri fails', async () => {
    const { body } = await askForToken(github, { code_verifier: verifier, code: await newCode() })
    expect(body.error).toBe('redirect_uri_mismatch')
  })

  test('credentials by Basic are not looked at', async () => {
    const basic = { authorization: `Basic ${btoa('client:secret')}` }
    const url = `${github.web}/login/oauth/access_token`
    const { body } = await post(url, { ...proof, code: await newCode() }, basic)
    expect(body.error).toBe('incorrect_client_credentials')
  })

  test('a code works once', async () => {
    const code = await newCode()
    expect((await askForToken(github, { ...proof, code })).body.access_token).toBeDefined()
    expect((await askForToken(github, { ...proof, code })).body.error).toBe('bad_verification_code')
  })

  test('a code lives ten minutes', async () => {
    const [early, late] = [await newCode(), await newCode()]
    github.control.advance(599)
    expect((await askForToken(github, { ...proof, code: early })).body.access_token).toBeDefined()
    github.control.advance(1)
    expect((await askForToken(github, { ...proof, code: late })).body.error).toBe('bad_verification_code')
  })

  test('a code of another client fails and stays usable', async () => {
    github.control.addClient({ ...app, clientId: 'other' })
    const code = await newCode()
    const stolen = await askForToken(github, { ...proof, code, client_id: 'other' })
    expect(stolen.body.error).toBe('bad_verification_code')
    expect((await askForToken(github, { ...proof, code })).body.access_token).toBeDefined()
  })

  test('a verifier without a challenge fails', async () => {
    const url = new URL(`${github.web}/login/oauth/authorize`)
    url.search = String(new URLSearchParams({ client_id: 'client', redirect_uri: redirectUri }))
    const { code = '' } = callbackOf(await fetch(url, { redirect: 'manual' }))
    expect((await askForToken(github, { ...proof, code })).body.error).toBe('bad_verification_code')
  })

  test('a user without a verified address cannot sign in', async () => {
    github.control.addUser({ ...octocat, unverified: true })
    expect(await refused({})).toEqual([200, 'unverified_user_email'])
  })
})

describe('scopes', () => {
  test('are a comma list without what others imply', async () => {
    const scope = 'user gist user:email offline_access made:up'
    expect(await signIn(github, { scope })).toMatchObject({ scope: 'user,gist' })
  })

  test('are empty for a GitHub App, whose tokens expire and begin with ghu_', async () => {
    github.control.addClient({ ...app, kind: 'github-app' })
    expect(await signIn(github, { scope: 'repo' })).toMatchObject({
      access_token: expect.stringMatching(/^ghu_/),
      expires_in: 28_800,
      scope: '',
    })
  })
})

describe('expiry', () => {
  const expiring = {
    expires_in: 28_800,
    refresh_token: expect.stringMatching(/^ghr_/),
    refresh_token_expires_in: 15_897_600,
  }

  test('is not there by default', async () => {
    expect(await signIn(github)).not.toHaveProperty('refresh_token')
  })

  test("is the app's setting, or asked for by offline_access", async () => {
    expect(await signIn(github, { scope: 'repo offline_access' })).toMatchObject(expiring)
    github.control.addClient({ ...app, expiringTokens: true })
    expect(await signIn(github, { scope: 'repo' })).toMatchObject(expiring)
  })

  test('is ignored by an old Enterprise Server', async () => {
    github.control.set({ ghesOld: true })
    const answer = await signIn(github, { scope: 'repo offline_access' })
    expect(answer).toEqual({ access_token: expect.any(String), scope: 'repo', token_type: 'bearer' })
  })

  test('may be told in strings', async () => {
    github.control.set({ numbersAsStrings: true })
    const answer = await signIn(github, { scope: 'offline_access' })
    expect(answer).toMatchObject({ expires_in: '28800', refresh_token_expires_in: '15897600' })
  })

  test('ends the access token', async () => {
    const { access_token } = await signIn(github, { scope: 'offline_access' })
    github.control.advance(28_799)
    expect(await opens(access_token)).toBe(true)
    github.control.advance(1)
    expect(await opens(access_token)).toBe(false)
  })
})

describe('a refresh', () => {
  let first: Record<string, unknown>

  beforeEach(async () => {
    first = await signIn(github, { scope: 'repo offline_access' })
  })

  test('rotates, and the old pair dies at once', async () => {
    const { body } = await refresh(github, first.refresh_token)
    expect(body).toMatchObject({ scope: 'repo', expires_in: 28_800 })
    expect(body.refresh_token).not.toBe(first.refresh_token)
    expect(await opens(body.access_token)).toBe(true)
    expect(await opens(first.access_token)).toBe(false)
    expect((await refresh(github, first.refresh_token)).body.error).toBe('bad_refresh_token')
    expect(await opens(body.access_token)).toBe(true)
  })

  test('of an unknown token, or by another client, fails', async () => {
    expect((await refresh(github, 'ghr_unknown')).body.error).toBe('bad_refresh_token')
    github.control.addClient({ ...app, clientId: 'other' })
    const stolen = await refresh(github, first.refresh_token, { client_id: 'other' })
    expect(stolen.body.error).toBe('bad_refresh_token')
    expect((await refresh(github, first.refresh_token)).body.access_token).toBeDefined()
  })

  test('may not send a scope', async () => {
    const { body } = await refresh(github, first.refresh_token, { scope: 'repo' })
    expect(body.error).toBe('invalid_request')
  })

  test('fails after six months without use', async () => {
    github.control.advance(15_897_599)
    const { body } = await refresh(github, first.refresh_token)
    expect(body.refresh_token).toBeDefined()
    github.control.advance(15_897_600)
    expect((await refresh(github, body.refresh_token)).body.error).toBe('bad_refresh_token')
  })
})

describe('the limits', () => {
  test('the eleventh live token of a scope set silently revokes the oldest', async () => {
    const tokens: unknown[] = []
    for (let count = 0; count < 11; count += 1) {
      github.control.advance(hour / 2)
      tokens.push((await signIn(github)).access_token)
    }
    expect(await opens(tokens[0])).toBe(false)
    expect(await opens(tokens[1])).toBe(true)
    await signIn(github, { scope: 'gist' })
    expect(await opens(tokens[1])).toBe(true)
  })

  test('the eleventh sign-in within an hour is refused', async () => {
    for (let count = 0; count < 10; count += 1) await signIn(github)
    const code = await newCode()
    const { status, headers } = await askForToken(github, { ...proof, code })
    expect([status, headers.get('retry-after')]).toEqual([429, '3600'])
  })

  test('a token unused for a year is revoked', async () => {
    const { access_token } = await signIn(github)
    github.control.advance(31_536_000 - 1)
    expect(await opens(access_token)).toBe(true)
    github.control.advance(31_536_000)
    expect(await opens(access_token)).toBe(false)
  })
})
