import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import type { Provider } from '../../src/upstream/provider.ts'
import type { TokenOutcome, UpstreamTokens } from '../../src/upstream/tokens.ts'
import type { Upstream } from '../../src/upstream/upstream.ts'
import type { Github } from '../../standins/github.ts'
import { connect, exchange, refresh, testUpstream, tokensOf, visit } from '../support/upstream.ts'
import { atlassianWith, githubWith, googleWith } from '../support/upstream-standins.ts'

const githubToken = 'POST /login/oauth/access_token'

type Effect = Parameters<Github['control']['script']>[0]['effect']
type Json = Record<string, unknown>

const respond = (status: number, body: string | Json, headers: Record<string, string> = {}): Effect => ({
  kind: 'respond',
  status,
  headers,
  body,
})

/** What a sign-in at GitHub comes to when the token endpoint does this. */
async function connectAgainst(effect: Effect, scopes: string[] = []): Promise<TokenOutcome> {
  const { standin, provider } = await githubWith()
  standin.control.script({ on: githubToken, effect })
  return await connect(testUpstream(), provider, { scopes })
}

type Connected = { standin: Github; provider: Provider; upstream: Upstream; tokens: UpstreamTokens }

async function connectedGithub(limits: { deadline?: number } = {}): Promise<Connected> {
  const { standin, provider } = await githubWith()
  const upstream = testUpstream(systemClock, limits)
  const tokens = tokensOf(await connect(upstream, provider))
  standin.control.clearLog()
  return { standin, provider, upstream, tokens }
}

/** What a refresh at GitHub comes to when the token endpoint does this. */
async function refreshAgainst(effect: Effect): Promise<TokenOutcome> {
  const { standin, provider, upstream, tokens } = await connectedGithub()
  standin.control.script({ on: githubToken, effect })
  return await refresh(upstream, provider, tokens)
}

const failed = (kind: string, code: string, more: Json = {}) => ({
  outcome: 'failed',
  failure: { kind, code, ...more },
})

const answer = { access_token: 'an-access-token', token_type: 'bearer', scope: 'repo' }

test('a form-encoded answer is read like any other', async () => {
  const body = 'access_token=an-access-token&scope=repo%2Cgist&token_type=bearer&expires_in=28800'
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
  expect(await connectAgainst(respond(200, body, headers))).toMatchObject({
    tokens: { accessToken: 'an-access-token', scopes: ['gist', 'repo'], expiresIn: 28_800 },
  })
})

test('a form-encoded error under status 200 is one', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  expect(await connectAgainst(respond(200, 'error=bad_verification_code&error_uri=x', headers))).toEqual(
    failed('restart', 'bad_verification_code'),
  )
})

test('credentials that are wrong are the administrator’s to mend, at sign-in and at refresh', async () => {
  const { provider, upstream, tokens } = await connectedGithub()
  const wrong = { ...provider, clientSecret: 'another secret' }
  const config = failed('config', 'incorrect_client_credentials')
  expect(await exchange(upstream, wrong, await visit(upstream, provider))).toEqual(config)
  expect(await refresh(upstream, wrong, tokens)).toEqual(config)
})

test.each([200, 400] as const)(
  'a dead refresh token answered with status %i means: connect again',
  async (errorStatus) => {
    const { standin, provider, upstream, tokens } = await connectedGithub()
    standin.control.set({ errorStatus })
    tokensOf(await refresh(upstream, provider, tokens))
    expect(await refresh(upstream, provider, tokens)).toEqual(failed('reauth', 'bad_refresh_token'))
  },
)

test('an answer without a life or a refresh token is a token that does not end', async () => {
  const { standin, provider } = await githubWith()
  standin.control.set({ ghesOld: true })
  const tokens = tokensOf(await connect(testUpstream(), provider))
  expect(tokens).not.toHaveProperty('expiresIn')
  expect(tokens).not.toHaveProperty('refreshToken')
  expect(tokens).not.toHaveProperty('refreshExpiresIn')
})

test('numbers in quotes are numbers', async () => {
  const { standin, provider } = await githubWith()
  standin.control.set({ numbersAsStrings: true })
  expect(tokensOf(await connect(testUpstream(), provider))).toMatchObject({
    expiresIn: 28_800,
    refreshExpiresIn: 15_897_600,
  })
})

test.each([
  [3600, 3600],
  ['3600', 3600],
  [3600.9, 3600],
  [0.5, 1],
  [1e12, 316_224_000],
  ['1e400', 316_224_000],
])('a life of %j is %i seconds', async (expires_in, seconds) => {
  const outcome = await connectAgainst({ kind: 'patch', json: { expires_in } })
  expect(tokensOf(outcome).expiresIn).toBe(seconds)
})

test.each([0, -1, '0', '', 'soon', 'NaN', null, [3600], { seconds: 3600 }, true])(
  'a life of %j tells nothing, and is no reason to refuse a token',
  async (expires_in) => {
    expect(tokensOf(await connectAgainst({ kind: 'patch', json: { expires_in } }))).not.toHaveProperty(
      'expiresIn',
    )
  },
)

test('scopes in commas are scopes, and what the request implied is not missing', async () => {
  const scopes = ['repo', 'gist', 'user:email', 'user']
  const { standin, provider } = await githubWith()
  const tokens = tokensOf(await connect(testUpstream(), provider, { scopes }))
  expect(standin.calls(githubToken)).toHaveLength(1)
  expect(tokens.scopes).toEqual(['gist', 'repo', 'user'])
})

test.each<[string, Json]>([
  ['nulls', { refresh_token: null, expires_in: null, id_token: null, scope: null }],
  ['no token type', { token_type: undefined }],
  ['a shouted token type', { token_type: 'BEARER' }],
  ['a list of scopes', { scope: ['read:user', 'user:email'] }],
  ['an ID token nobody asked for', { id_token: 'junk' }],
  ['members nobody knows', { __proto__: null, constructor: {}, weather: ['fine'] }],
])('%s in an answer make no difference', async (_what, json) => {
  const body = { ...answer, scope: 'read:user,user:email', ...json }
  expect(tokensOf(await connectAgainst(respond(200, body)))).toEqual({
    accessToken: 'an-access-token',
    tokenType: 'bearer',
    scopes: ['read:user', 'user:email'],
    tokenEndpoint: expect.stringContaining('/login/oauth/access_token'),
  })
})

test.each<[string, string | Json]>([
  ['no token', { token_type: 'bearer' }],
  ['an empty token', { ...answer, access_token: '' }],
  ['a number for a token', { ...answer, access_token: 42 }],
  ['an object for a token', { ...answer, access_token: { value: 'x' } }],
  ['a token with a line break', { ...answer, access_token: 'a\r\nb' }],
  ['a token with a NUL', { ...answer, access_token: 'a\0b' }],
  ['a token that is not ASCII', { ...answer, access_token: 'tökén' }],
  ['a token of 17 KB', { ...answer, access_token: 'x'.repeat(17_000) }],
  ['a refresh token with a line break', { ...answer, refresh_token: 'a\nb' }],
  ['a number for a scope', { ...answer, scope: 7 }],
  ['a login page', '<!doctype html><title>Sign in</title>'],
  ['half of its JSON', '{"access_token": "an-acc'],
  ['nothing', ''],
  ['an array', '[]'],
  ['a string', '"an-access-token"'],
])('an answer with %s is no answer', async (_what, body) => {
  expect(await connectAgainst(respond(200, body))).toEqual(failed('transient', 'malformed_answer'))
  expect(await refreshAgainst(respond(200, body))).toEqual(failed('transient', 'malformed_answer'))
})

test('a token of a type we cannot use is refused', async () => {
  expect(await connectAgainst(respond(200, { ...answer, token_type: 'mac' }))).toEqual(
    failed('config', 'unsupported_token_type'),
  )
})

test('a refresh that brings no refresh token leaves that to the descriptor', async () => {
  const { provider } = await googleWith()
  const upstream = testUpstream()
  const tokens = tokensOf(await connect(upstream, provider))
  const refreshed = tokensOf(await refresh(upstream, provider, tokens, '1042'))
  expect(refreshed).not.toHaveProperty('refreshToken')
  expect(provider.descriptor.refresh.when_absent).toBe('keep')
  const again = tokensOf(await refresh(upstream, provider, tokens, '1042'))
  expect(again.accessToken).not.toBe(refreshed.accessToken)
})

test.each(['', null])('a refresh token of %j is none', async (refresh_token) => {
  const outcome = await refreshAgainst({ kind: 'patch', json: { refresh_token } })
  expect(tokensOf(outcome)).not.toHaveProperty('refreshToken')
})

test('a second sign-in at Google brings no refresh token, and that is no failure', async () => {
  const { provider } = await googleWith()
  const upstream = testUpstream()
  expect(tokensOf(await connect(upstream, provider))).toHaveProperty('refreshToken')
  expect(tokensOf(await connect(upstream, provider))).not.toHaveProperty('refreshToken')
  expect(tokensOf(await connect(upstream, provider, { prompts: ['consent'] }))).toHaveProperty('refreshToken')
})

test('Google’s reasons for a dead grant are told apart', async () => {
  const { standin, provider } = await googleWith()
  const upstream = testUpstream()
  const tokens = tokensOf(await connect(upstream, provider))
  standin.control.set({ refreshError: 'invalid_rapt' })
  expect(await refresh(upstream, provider, tokens)).toEqual(failed('reauth', 'invalid_grant/invalid_rapt'))
  standin.control.set({ refreshError: 'admin_policy_enforced' })
  expect(await refresh(upstream, provider, tokens)).toEqual(failed('policy', 'admin_policy_enforced'))
  standin.control.set({ refreshError: 'unauthorized_client' })
  expect(await refresh(upstream, provider, tokens)).toEqual(failed('config', 'unauthorized_client'))
})

test.each(['invalid_grant', 'unauthorized_client'] as const)(
  'Atlassian’s dead refresh token, a 403 %s, means: connect again',
  async (deadRefresh) => {
    const { standin, provider } = await atlassianWith()
    const upstream = testUpstream()
    const tokens = tokensOf(await connect(upstream, provider))
    standin.control.set({ deadRefresh })
    standin.control.passwordChanged('lin@acme.test')
    expect(await refresh(upstream, provider, tokens)).toEqual(failed('reauth', deadRefresh))
  },
)

test('Atlassian’s refresh token may be sent again within ten minutes', async () => {
  const { standin, provider } = await atlassianWith()
  const upstream = testUpstream()
  const tokens = tokensOf(await connect(upstream, provider))
  tokensOf(await refresh(upstream, provider, tokens))
  standin.control.advance(Number(provider.descriptor.refresh.reuse_window) - 1)
  tokensOf(await refresh(upstream, provider, tokens))
})

test.each([400, 403])('%i unauthorized_client for another reason is the administrator’s', async (status) => {
  const { standin, provider } = await atlassianWith()
  const upstream = testUpstream()
  const tokens = tokensOf(await connect(upstream, provider))
  const body = { error: 'unauthorized_client', error_description: 'client not authorized for grant type' }
  standin.control.script({ on: 'POST /oauth/token', effect: { kind: 'respond', status, body } })
  expect(await refresh(upstream, provider, tokens)).toEqual(failed('config', 'unauthorized_client'))
})

test('Atlassian says access_denied of a client it does not know, which blames nobody else', async () => {
  const { provider } = await atlassianWith()
  const upstream = testUpstream()
  const query = await visit(upstream, provider)
  expect(await exchange(upstream, { ...provider, clientSecret: 'another' }, query)).toEqual(
    failed('config', 'access_denied'),
  )
})

test('a challenge does not hide the error in the body', async () => {
  const headers = { 'www-authenticate': 'Basic realm="oauth"' }
  expect(await refreshAgainst(respond(401, { error: 'invalid_client' }, headers))).toEqual(
    failed('config', 'invalid_client'),
  )
})

test.each<[string, number, string | Json, string, string]>([
  ['a 401 that says nothing', 401, '', 'config', 'status_401'],
  ['a 403 page', 403, '<h1>Forbidden</h1>', 'transient', 'status_403'],
  ['a 404', 404, 'Not Found', 'transient', 'status_404'],
  ['an error nobody knows', 400, { error: 'solar_flare' }, 'transient', 'unknown_error'],
  ['an error that is not one word', 400, { error: { code: 7 } }, 'transient', 'status_400'],
  ['an error with no more than a name', 400, { error: 'invalid_grant' }, 'reauth', 'invalid_grant'],
  ['an outage', 502, '<h1>Unicorn!</h1>', 'transient', 'status_502'],
  ['an outage in JSON', 500, { error: 'server_error' }, 'transient', 'server_error'],
  ['an outage that says the grant is dead', 503, { error: 'invalid_grant' }, 'transient', 'invalid_grant'],
  ['a limit in JSON', 429, { message: 'slow down' }, 'limited', 'status_429'],
])('%s is classed for what it is', async (_what, status, body, kind, code) => {
  expect(await refreshAgainst(respond(status, body))).toEqual(failed(kind, code))
})

test('a token that is told as created is one: it was handed out', async () => {
  expect(await refreshAgainst(respond(201, answer))).toMatchObject({
    tokens: { accessToken: 'an-access-token' },
  })
})

test.each<[string, Json, string]>([
  ['an access token nobody can read', { access_token: 42 }, 'malformed_answer'],
  ['no access token', { access_token: undefined }, 'malformed_answer'],
  ['scopes nobody can read', { scope: 42 }, 'malformed_answer'],
  ['a token type that nobody speaks', { token_type: 'mac' }, 'unsupported_token_type'],
])('a refresh token that comes with %s is not lost', async (_what, more, code) => {
  const rotated = { refresh_token: 'the-next-one', refresh_token_expires_in: '900' }
  expect(await refreshAgainst(respond(200, { ...answer, ...rotated, ...more }))).toEqual({
    ...failed(code === 'malformed_answer' ? 'transient' : 'config', code),
    rotated: { refreshToken: 'the-next-one', refreshExpiresIn: 900 },
  })
})

test('one that nobody can read itself is none', async () => {
  const unreadable = { ...answer, access_token: 42, refresh_token: 'with\nlines' }
  expect(await refreshAgainst(respond(200, unreadable))).toEqual(failed('transient', 'malformed_answer'))
})

test('whatever an error is called, only a word of ours comes out', async () => {
  const { standin, provider, upstream, tokens } = await connectedGithub()
  for (const error of [
    'gho_16C7e42F292c6912E7710c838347Ae178B4a',
    '<script>',
    'constructor',
    '__proto__',
    'x'.repeat(5000),
  ]) {
    standin.control.script({ on: githubToken, effect: respond(400, { error }) })
    expect(await refresh(upstream, provider, tokens)).toEqual(failed('transient', 'unknown_error'))
  }
})

test.each([
  ['30', 30],
  ['0', 1],
  ['-5', 1],
  ['1000000000', 3600],
  [' 12 ', 12],
])('a Retry-After of %j is %i seconds', async (header, retryAfter) => {
  expect(await refreshAgainst(respond(429, {}, { 'retry-after': header }))).toEqual(
    failed('limited', 'status_429', { retryAfter }),
  )
})

test('a Retry-After in the past is as good as now, one that is no time says nothing', async () => {
  const past = { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }
  expect(await refreshAgainst(respond(503, '', past))).toEqual(
    failed('transient', 'status_503', { retryAfter: 1 }),
  )
  expect(await refreshAgainst(respond(503, '', { 'retry-after': 'soon' }))).toEqual(
    failed('transient', 'status_503'),
  )
})

test.each<[string, Effect]>([
  ['cut before it began', { kind: 'drop', when: 'before' }],
  ['cut after all was done', { kind: 'drop', when: 'after' }],
  ['broken off', { kind: 'truncate', bytes: 20 }],
])('a connection that is %s is an outage', async (_how, effect) => {
  expect(await refreshAgainst(effect)).toEqual(failed('transient', 'unreachable'))
})

test.each<[string, Effect]>([
  ['hangs', { kind: 'hold' }],
  ['drips', { kind: 'drip', bytes: 1, milliseconds: 20 }],
])('an answer that %s is given up in time', async (_how, effect) => {
  const { standin, provider, upstream, tokens } = await connectedGithub({ deadline: 0.2 })
  standin.control.script({ on: githubToken, effect })
  expect(await refresh(upstream, provider, tokens)).toEqual(failed('transient', 'deadline'))
  standin.control.release()
})

test('an answer without end is cut off', async () => {
  expect(await refreshAgainst({ kind: 'huge', bytes: 20_000_000 })).toEqual(failed('transient', 'too_large'))
})

test('a redirect is not followed, so that nobody else gets the secret', async () => {
  const { standin: elsewhere } = await githubWith()
  const location = `${elsewhere.web}/login/oauth/access_token`
  expect(await refreshAgainst(respond(307, '', { location }))).toEqual(failed('transient', 'status_307'))
  expect(await connectAgainst(respond(302, '', { location }))).toEqual(failed('transient', 'status_302'))
  expect(elsewhere.log()).toEqual([])
})

test('a refresh sends no scope, and to no other host than the tokens came from', async () => {
  const { standin, provider, upstream, tokens } = await connectedGithub()
  const moved = { ...tokens, tokenEndpoint: 'https://elsewhere.test/login/oauth/access_token' }
  expect(await refresh(upstream, provider, moved)).toEqual(failed('reauth', 'provider_changed'))
  expect(await refresh(upstream, provider, { ...tokens, tokenEndpoint: '' })).toEqual(
    failed('reauth', 'provider_changed'),
  )
  expect(standin.log()).toEqual([])
  tokensOf(await refresh(upstream, provider, tokens))
  expect(standin.calls(githubToken)[0]?.body).not.toHaveProperty('scope')
})

test('a refresh that speaks of another person is refused', async () => {
  const { standin, provider } = await googleWith()
  const upstream = testUpstream()
  const tokens = tokensOf(await connect(upstream, provider))
  standin.control.set({ idTokenClaims: { sub: 'somebody else' } })
  expect(await refresh(upstream, provider, tokens, '1042')).toEqual(failed('reauth', 'account_changed'))
})

test('an ID token that cannot be verified costs no refresh', async () => {
  const { standin, provider } = await googleWith()
  const upstream = testUpstream()
  const tokens = tokensOf(await connect(upstream, provider))
  standin.control.set({ idTokenFault: 'bad-signature' })
  tokensOf(await refresh(upstream, provider, tokens, '1042'))
  standin.control.set({ idTokenFault: 'none' })
  standin.control.script({ on: 'POST /token', effect: { kind: 'patch', json: { id_token: 'junk' } } })
  tokensOf(await refresh(upstream, provider, tokens, '1042'))
})

test('whatever JSON comes, the answer is tokens or a failure', async () => {
  const { standin, provider, upstream, tokens } = await connectedGithub()
  const body = fc.dictionary(
    fc.constantFrom(
      'access_token',
      'token_type',
      'refresh_token',
      'expires_in',
      'scope',
      'error',
      'id_token',
      'x',
    ),
    fc.oneof(fc.jsonValue(), fc.constantFrom('bearer', 'token', '3600')),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(200, 400, 401, 403, 500), body, async (status, json) => {
      standin.control.script({ on: githubToken, effect: respond(status, JSON.stringify(json)) })
      expect(['tokens', 'failed']).toContain((await refresh(upstream, provider, tokens)).outcome)
    }),
    { numRuns: 200 },
  )
})
