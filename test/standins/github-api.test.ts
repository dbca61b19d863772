import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Github } from '../../standins/github.ts'
import { octocat, signIn, startSeeded } from './github-client.ts'
import { get, redirectUri } from './trip.ts'

let github: Github

beforeEach(async () => {
  github = await startSeeded()
})
afterEach(() => github.stop())

const newToken = async (scope = 'read:user') => String((await signIn(github, { scope })).access_token)
const statusOf = async (token: string) => (await get(`${github.api}/user`, token)).status

describe('the API', () => {
  test('shows the user behind a token, with a numeric id and the scopes', async () => {
    const { body, headers } = await get(`${github.api}/user`, await newToken('repo gist'))
    expect(body).toMatchObject({ id: 7, login: 'octocat', name: 'Mona', email: null })
    expect(headers.get('x-oauth-scopes')).toBe('repo, gist')
  })

  test('takes `token` as a scheme, too', async () => {
    const authorization = `token ${await newToken()}`
    expect((await fetch(`${github.api}/user`, { headers: { authorization } })).status).toBe(200)
  })

  test.each([undefined, 'gho_unknown', ''])('answers 401 to the token %s', async (token) => {
    const { status, body } = await get(`${github.api}/user`, token)
    expect([status, body]).toEqual([401, expect.objectContaining({ message: 'Bad credentials' })])
  })

  test('answers 403 to whoever sends no User-Agent', async () => {
    const authorization = `Bearer ${await newToken()}`
    const response = await fetch(`${github.api}/user`, { headers: { authorization, 'user-agent': '' } })
    expect(response.status).toBe(403)
  })

  test('lives on an origin of its own', async () => {
    expect(new URL(github.api).origin).not.toBe(new URL(github.web).origin)
    expect((await get(`${github.web}/user`, await newToken())).status).toBe(404)
  })
})

describe('the addresses', () => {
  const emails = async (token: string, query = '') => get(`${github.api}/user/emails${query}`, token)

  test('need user:email, or user, which implies it', async () => {
    expect((await emails(await newToken('read:user'))).status).toBe(404)
    expect((await emails(await newToken('user:email'))).status).toBe(200)
    expect((await emails(await newToken('user'))).status).toBe(200)
  })

  test('are exactly those that were seeded', async () => {
    const addresses = [
      { email: 'main@acme.test', primary: true, verified: false },
      { email: 'second@acme.test', verified: true },
    ]
    github.control.addUser({ ...octocat, emails: addresses })
    expect((await emails(await newToken('user:email'))).body).toEqual([
      { email: 'main@acme.test', primary: true, verified: false, visibility: null },
      { email: 'second@acme.test', primary: false, verified: true, visibility: null },
    ])
  })

  test('come thirty to a page, with a link to the next', async () => {
    const many = Array.from({ length: 31 }, (_, index) => ({ email: `${index}@acme.test` }))
    github.control.addUser({ ...octocat, emails: many })
    const token = await newToken('user:email')
    const first = await emails(token)
    expect(first.body).toHaveLength(30)
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? ''
    const second = await get(next, token)
    expect(second.body).toMatchObject([{ email: '30@acme.test' }])
    expect(second.headers.get('link')).not.toContain('rel="next"')
  })
})

describe('the repositories', () => {
  const repositories = [{ name: 'open' }, { name: 'hidden', private: true }]
  const list = async (scope: string) => get(`${github.api}/user/repos`, await newToken(scope))

  beforeEach(() => github.control.addUser({ ...octocat, repositories }))

  test('need a scope', async () => {
    expect((await list('gist')).status).toBe(404)
  })

  test('are the public ones without repo, and all of them with it', async () => {
    expect((await list('public_repo')).body).toMatchObject([{ full_name: 'octocat/open' }])
    expect((await list('repo')).body).toHaveLength(2)
  })
})

describe('the applications endpoints', () => {
  const call = async (
    method: string,
    what: 'token' | 'grant',
    body: unknown,
    { secret = 'secret', client = 'client' } = {},
  ) => {
    const response = await fetch(`${github.api}/applications/${client}/${what}`, {
      method,
      body: JSON.stringify(body),
      headers: {
        authorization: `Basic ${btoa(`client:${secret}`)}`,
        'content-type': 'application/json',
      },
    })
    const text = await response.text()
    return { status: response.status, body: text ? JSON.parse(text) : undefined }
  }

  test('want the right Basic credentials of the client in the path', async () => {
    const body = { access_token: await newToken() }
    expect((await call('POST', 'token', body, { secret: 'wrong' })).status).toBe(401)
    expect((await call('POST', 'token', body, { client: 'other' })).status).toBe(404)
    expect((await call('DELETE', 'grant', body, { secret: 'wrong' })).status).toBe(401)
  })

  test('want a token in the body, and one of their own', async () => {
    expect((await call('DELETE', 'token', {})).status).toBe(422)
    expect((await call('DELETE', 'token', { access_token: 'gho_unknown' })).status).toBe(404)
  })

  test('check a token', async () => {
    const token = await newToken('gist')
    expect(await call('POST', 'token', { access_token: token })).toMatchObject({
      status: 200,
      body: { scopes: ['gist'], user: { id: 7, login: 'octocat' } },
    })
  })

  test('reset a token', async () => {
    const token = await newToken()
    const { body } = await call('PATCH', 'token', { access_token: token })
    expect(await statusOf(token)).toBe(401)
    expect(await statusOf(body.token)).toBe(200)
  })

  test('delete one token', async () => {
    const [one, other] = [await newToken(), await newToken()]
    expect((await call('DELETE', 'token', { access_token: one })).status).toBe(204)
    expect([await statusOf(one), await statusOf(other)]).toEqual([401, 200])
    expect((await call('DELETE', 'token', { access_token: one })).status).toBe(404)
  })

  test('delete a grant: all tokens of the user, and the remembered consent', async () => {
    const [one, other] = [await newToken(), await newToken('gist')]
    expect((await call('DELETE', 'grant', { access_token: one })).status).toBe(204)
    expect([await statusOf(one), await statusOf(other)]).toEqual([401, 401])
    github.control.ask()
    const url = `${github.web}/login/oauth/authorize?client_id=client&redirect_uri=${redirectUri}&scope=gist`
    expect((await fetch(url, { redirect: 'manual' })).status).toBe(200)
  })
})

describe('rate limits', () => {
  test('the primary one names when it resets', async () => {
    const token = await newToken()
    github.control.rateLimit({ kind: 'primary', seconds: 60 })
    const { status, headers } = await get(`${github.api}/user`, token)
    expect(status).toBe(403)
    expect(headers.get('x-ratelimit-remaining')).toBe('0')
    expect(headers.get('x-ratelimit-reset')).toBe('1800000060')
  })

  test('the secondary one says how long to wait, as often as was asked for', async () => {
    const token = await newToken()
    github.control.rateLimit({ kind: 'secondary', seconds: 30, status: 429, times: 1 })
    const { status, headers } = await get(`${github.api}/user`, token)
    expect([status, headers.get('retry-after')]).toEqual([429, '30'])
    expect(await statusOf(token)).toBe(200)
  })
})

describe('revocation by the control API', () => {
  test('of one token', async () => {
    const [one, other] = [await newToken(), await newToken()]
    github.control.revoke({ token: one })
    expect([await statusOf(one), await statusOf(other)]).toEqual([401, 200])
    expect(() => github.control.revoke({ token: one })).toThrow('no such live token')
  })

  test('of everything a user has at an app', async () => {
    const token = await newToken()
    expect(github.control.revoke({ user: 'octocat', clientId: 'client' })).toBe(1)
    expect(await statusOf(token)).toBe(401)
  })
})

test('a renamed login and its new owner are two people', async () => {
  const token = await newToken()
  github.control.addUser({ ...octocat, login: 'mona' })
  github.control.addUser({ id: 8, login: 'octocat' })
  expect((await get(`${github.api}/user`, token)).body).toMatchObject({ id: 7, login: 'mona' })
  github.control.currentUser('octocat')
  expect((await get(`${github.api}/user`, await newToken())).body).toMatchObject({ id: 8 })
})

describe('metadata', () => {
  const path = '/.well-known/oauth-authorization-server/login/oauth'

  test('is at the inserted path only, and offers no registration', async () => {
    const { body } = await get(github.web + path)
    expect(body).toMatchObject({ issuer: github.issuer, code_challenge_methods_supported: ['S256'] })
    expect(body).not.toHaveProperty('registration_endpoint')
    expect((await get(`${github.web}/.well-known/oauth-authorization-server`)).status).toBe(404)
    expect((await get(`${github.web}/.well-known/openid-configuration`)).status).toBe(404)
  })

  test('may be wrong or absent, as on Enterprise servers', async () => {
    github.control.set({ metadata: 'wrong' })
    expect((await get(github.web + path)).body).not.toMatchObject({ issuer: github.issuer })
    github.control.set({ metadata: 'absent' })
    expect((await get(github.web + path)).status).toBe(404)
  })
})
