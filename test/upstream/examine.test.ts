import { expect, test } from 'vitest'
import { httpDate, openIssuer } from '../support/issuer.ts'
import { testProvider, testUpstream } from '../support/upstream.ts'

const now = 1_800_000_000
const examine = async (issuer: string, descriptor = {}) => {
  const provider = testProvider({ extends: 'oidc', ...descriptor }, { issuer })
  return await testUpstream(() => now).examine(provider)
}

test('a provider that answers is asked for no more than it shows everybody', async () => {
  const { issuer, answer, requests } = await openIssuer()
  answer.headers = { date: httpDate(now) }
  answer.document.scopes_supported = ['openid', 'email']
  expect(await examine(issuer)).toEqual({
    authorizationEndpoint: `${issuer}/authorize`,
    failures: [],
    skew: 0,
    scopesOffered: ['openid', 'email'],
  })
  expect(requests.map(({ method, url }) => `${method} ${url}`).toSorted()).toEqual([
    'GET /.well-known/openid-configuration',
    'GET /jwks',
    'HEAD /token',
  ])
})

test.each([
  ['ahead', now + 95, {}, 95],
  ['behind', now - 95, {}, -95],
  ['right, with an answer out of a cache', now - 95, { age: '95' }, 0],
  ['right, with an age nobody can read', now, { age: 'old' }, 0],
])('a clock that is %s is measured by its answers', async (_what, date, more, skew) => {
  const { issuer, answer } = await openIssuer()
  answer.headers = { date: httpDate(date), ...more }
  expect((await examine(issuer)).skew).toBe(skew)
})

test('a time that cannot be read is none', async () => {
  const { issuer, answer } = await openIssuer()
  answer.headers = { date: 'yesterday' }
  expect(await examine(issuer)).not.toHaveProperty('skew')
})

test('keys and a token endpoint that are not there are told by their addresses', async () => {
  const { issuer, answer } = await openIssuer()
  answer.keys = { keys: [] }
  answer.document.token_endpoint = 'http://127.0.0.1:1/token'
  expect((await examine(issuer)).failures).toEqual([
    { part: 'jwks_uri', address: `${issuer}/jwks`, failure: { kind: 'config', code: 'keys_invalid' } },
    {
      part: 'token_endpoint',
      address: 'http://127.0.0.1:1/token',
      failure: { kind: 'transient', code: 'unreachable' },
    },
  ])
})

test('endpoints that are written down are looked for as well', async () => {
  const { issuer, requests } = await openIssuer()
  const server = {
    issuer,
    discovery: 'none',
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/user`,
  }
  const written = { kind: 'oauth2', server, client_authentication: 'client_secret_post' }
  const identity = { sources: ['userinfo'], subject: 'id', label: ['id'] }
  expect((await examine(issuer, { ...written, identity })).failures).toEqual([])
  expect(requests).toEqual([{ method: 'HEAD', url: '/token' }])
  const moved = { ...server, token_endpoint: 'http://127.0.0.1:1/token' }
  expect((await examine(issuer, { ...written, identity, server: moved })).failures).toHaveLength(1)
})

test.each([7, 'openid', [1], []])('a list of scopes that says %j says nothing', async (scopes) => {
  const { issuer, answer } = await openIssuer()
  answer.document.scopes_supported = scopes
  const found = await examine(issuer)
  expect(found.failures).toEqual([])
  expect(found).not.toHaveProperty('scopesOffered')
})

test('without metadata there is nothing to look for', async () => {
  const { issuer, answer } = await openIssuer()
  answer.status = 503
  answer.headers = { date: httpDate(now - 95) }
  expect(await examine(issuer)).toEqual({
    failures: [{ part: 'issuer', address: issuer, failure: { kind: 'transient', code: 'status_503' } }],
    skew: -95,
  })
})
