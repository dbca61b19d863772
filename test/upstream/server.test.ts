import { expect, test } from 'vitest'
import { createGuardedFetch } from '../../src/lib/guarded-fetch.ts'
import type { UrlOutcome } from '../../src/upstream/upstream.ts'
import { createUpstream } from '../../src/upstream/upstream.ts'
import { newTrip, testClock, testProvider, testUpstream } from '../support/upstream.ts'
import { googleWith } from '../support/upstream-standins.ts'

const discovery = 'GET /.well-known/openid-configuration'
const failed = (kind: string, code: string): UrlOutcome =>
  ({ outcome: 'failed', failure: { kind, code } }) as UrlOutcome

test('a provider whose endpoints are known is not asked for them', async () => {
  const upstream = testUpstream()
  const provider = testProvider('github')
  expect(await upstream.authorizationUrl(provider, newTrip())).toMatchObject({ outcome: 'url' })
})

test('metadata is read once, however many ask at once', async () => {
  const { standin, provider } = await googleWith()
  const upstream = testUpstream()
  const ask = () => upstream.authorizationUrl(provider, newTrip())
  await Promise.all(Array.from({ length: 20 }, ask))
  await ask()
  expect(standin.calls(discovery)).toHaveLength(1)
})

test('metadata is read again after an hour, and goes on while it cannot be', async () => {
  const clock = testClock()
  const { standin, provider } = await googleWith()
  const upstream = testUpstream(clock)
  const ask = () => upstream.authorizationUrl(provider, newTrip())
  const before = await ask()
  clock.advance(3601)
  standin.control.script({ on: discovery, times: 'always', effect: { kind: 'drop', when: 'before' } })
  expect(await ask()).toEqual(before)
  expect(await ask()).toEqual(before)
  expect(standin.calls(discovery)).toHaveLength(2)
  standin.control.clearScripts()
  clock.advance(31)
  expect(await ask()).toEqual(before)
  expect(standin.calls(discovery)).toHaveLength(3)
})

test('a provider out of reach fails what needs it, and is left alone for a while', async () => {
  const clock = testClock()
  const { standin, provider } = await googleWith()
  const upstream = testUpstream(clock)
  const ask = () => upstream.authorizationUrl(provider, newTrip())
  standin.control.script({ on: discovery, effect: { kind: 'respond', status: 503, body: '' } })
  expect(await ask()).toEqual(failed('transient', 'status_503'))
  expect(await ask()).toEqual(failed('transient', 'status_503'))
  expect(standin.calls(discovery)).toHaveLength(1)
  clock.advance(31)
  expect(await ask()).toMatchObject({ outcome: 'url' })
})

test('a changed provider starts afresh', async () => {
  const { standin, provider } = await googleWith()
  const upstream = testUpstream()
  await upstream.authorizationUrl(provider, newTrip())
  await upstream.authorizationUrl({ ...provider, descriptor: { ...provider.descriptor } }, newTrip())
  expect(standin.calls(discovery)).toHaveLength(2)
})

test.each([
  ['another issuer', { issuer: 'https://evil.test' }],
  ['an issuer that is no URL', { issuer: 'evil' }],
  ['no issuer', { issuer: undefined }],
  ['no token endpoint', { token_endpoint: undefined }],
  ['a token endpoint over http', { token_endpoint: 'http://evil.test/token' }],
  ['a page that is a script', { authorization_endpoint: 'javascript:alert(1)' }],
  ['an endpoint with a password', { userinfo_endpoint: 'https://a:b@evil.test' }],
  ['a number for an endpoint', { jwks_uri: 7 }],
])('metadata with %s is not believed', async (_what, change) => {
  const { standin, provider } = await googleWith()
  const omit = Object.entries(change).flatMap(([name, value]) => (value === undefined ? [name] : []))
  const json = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
  standin.control.script({ on: discovery, effect: { kind: 'patch', json, omit } })
  expect(await testUpstream().authorizationUrl(provider, newTrip())).toEqual(
    failed('config', 'metadata_invalid'),
  )
})

test('in production metadata cannot send a browser to this machine', async () => {
  const { standin, provider } = await googleWith()
  const upstream = createUpstream({
    fetch: createGuardedFetch({ allowLoopback: true }),
    clock: testClock(),
    allowLoopback: false,
    discoveryDeadline: 5,
  })
  expect(await upstream.authorizationUrl(provider, newTrip())).toEqual(failed('config', 'metadata_invalid'))
  expect(standin.calls(discovery)).toHaveLength(1)
})

test.each([
  ['a page', 200, '<h1>Welcome</h1>', 'config', 'metadata_invalid'],
  ['nothing there', 404, 'Not Found', 'config', 'metadata_invalid'],
  ['a redirect', 302, '', 'config', 'metadata_invalid'],
  ['a limit', 429, '', 'limited', 'status_429'],
])('%s instead of metadata is told for what it is', async (_what, status, body, kind, code) => {
  const { standin, provider } = await googleWith()
  standin.control.script({ on: discovery, effect: { kind: 'respond', status, body } })
  expect(await testUpstream().authorizationUrl(provider, newTrip())).toEqual(failed(kind, code))
})

test('metadata has a deadline of its own', async () => {
  const { standin, provider } = await googleWith()
  standin.control.script({ on: discovery, effect: { kind: 'hold' } })
  const upstream = testUpstream(testClock(), { deadline: 60, discoveryDeadline: 0.2 })
  expect(await upstream.authorizationUrl(provider, newTrip())).toEqual(failed('transient', 'deadline'))
})

test('metadata of endless size is cut off', async () => {
  const { standin, provider } = await googleWith()
  standin.control.script({ on: discovery, effect: { kind: 'huge', bytes: 20_000_000 } })
  expect(await testUpstream().authorizationUrl(provider, newTrip())).toEqual(failed('transient', 'too_large'))
})

test('metadata may not lead to a private address, where the administrator may', async () => {
  const { standin, provider } = await googleWith()
  const upstream = testUpstream()
  standin.control.script({
    on: discovery,
    effect: {
      kind: 'patch',
      json: { token_endpoint: 'https://10.0.0.7/token', jwks_uri: 'https://10.0.0.7/jwks' },
    },
  })
  const url = await upstream.authorizationUrl(provider, newTrip())
  expect(url.outcome).toBe('url')
  const request = {
    refreshToken: 'r',
    scopes: [],
    tokenEndpoint: 'https://10.0.0.7/token',
    upstreamSubject: 's',
  }
  expect(await upstream.refreshTokens(provider, request)).toEqual(failed('config', 'refused_address'))
})
