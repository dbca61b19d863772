import { expect, test } from 'vitest'
import { startGoogle } from '../../standins/google.ts'
import { connect, testClock, testUpstream, tokensOf } from '../support/upstream.ts'
import { googleWith, oidcWith } from '../support/upstream-standins.ts'

const refused = (code: string, kind = 'config') => ({ outcome: 'failed', failure: { kind, code } })

test.each([
  'legacy-iss',
  'wrong-iss',
  'wrong-aud',
  'missing-aud',
  'aud-array',
  'wrong-azp',
  'missing-nonce',
  'wrong-nonce',
  'missing-exp',
  'missing-iat',
  'missing-sub',
  'expired',
  'bad-signature',
  'alg-none',
  'hs256',
] as const)('an ID token with %s signs nobody in', async (idTokenFault) => {
  const { standin, provider } = await googleWith()
  standin.control.set({ idTokenFault })
  expect(await connect(testUpstream(), provider)).toEqual(refused('id_token_invalid'))
})

test('an ID token from the future signs nobody in', async () => {
  const { standin, provider } = await googleWith()
  standin.control.set({ idTokenFault: 'future-iat' })
  expect(await connect(testUpstream(), provider)).toEqual(refused('id_token_from_the_future'))
})

test('an ID token that is missing or broken signs nobody in', async () => {
  const { standin, provider } = await googleWith()
  const upstream = testUpstream()
  for (const id_token of ['', null, 'junk', 'a.b.c', 'a.b', '..', 'e30.e30.!!!', 'x'.repeat(20_000)]) {
    standin.control.script({ on: 'POST /token', effect: { kind: 'patch', json: { id_token } } })
    expect(await connect(upstream, provider)).toEqual(refused('id_token_invalid'))
  }
})

test('an ID token without a name signs in', async () => {
  const { standin, provider } = await googleWith()
  standin.control.set({ idTokenFault: 'missing-name' })
  expect(tokensOf(await connect(testUpstream(), provider)).idTokenClaims).toMatchObject({ sub: '1042' })
})

test('an ID token for several parties is taken when it was made for us', async () => {
  const { standin, provider } = await googleWith()
  standin.control.set({ idTokenClaims: { aud: [provider.clientId, 'another'], azp: provider.clientId } })
  tokensOf(await connect(testUpstream(), provider))
})

test.each([
  [{ exp: -20 }, 'taken'],
  [{ exp: -300 }, 'refused'],
  [{ nbf: 20 }, 'taken'],
  [{ nbf: 300 }, 'refused'],
  [{ iat: 20 }, 'taken'],
  [{ iat: 300 }, 'refused'],
])('with times %j an ID token is %s', async (idTokenTimes, verdict) => {
  const { standin, provider } = await googleWith()
  standin.control.set({ idTokenTimes })
  const { outcome } = await connect(testUpstream(), provider)
  expect(outcome).toBe(verdict === 'taken' ? 'tokens' : 'failed')
})

test('the clock that counts is the one we are given', async () => {
  const clock = testClock()
  const { standin, provider } = await googleWith({ clock })
  clock.advance(86_400)
  tokensOf(await connect(testUpstream(clock), provider))
  standin.control.advance(-86_400)
  expect(await connect(testUpstream(clock), provider)).toEqual(refused('id_token_invalid'))
})

test('keys that rotate are followed, keys that are known are not fetched again', async () => {
  const { standin, provider } = await googleWith()
  const upstream = testUpstream()
  tokensOf(await connect(upstream, provider))
  await standin.control.rotateKeys('smooth')
  tokensOf(await connect(upstream, provider))
  expect(standin.calls('GET /oauth2/v3/certs')).toHaveLength(1)
})

test('a key nobody published is tried again later, not fetched at every attempt', async () => {
  const { standin, provider } = await googleWith()
  const upstream = testUpstream()
  standin.control.set({ idTokenFault: 'unknown-kid' })
  expect(await connect(upstream, provider)).toEqual(refused('unknown_signing_key', 'transient'))
  expect(await connect(upstream, provider)).toEqual(refused('unknown_signing_key', 'transient'))
  expect(standin.calls('GET /oauth2/v3/certs')).toHaveLength(1)
})

test('keys out of reach are an outage', async () => {
  const { standin, provider } = await googleWith()
  const effect = { kind: 'respond', status: 503, body: '' } as const
  standin.control.script({ on: 'GET /oauth2/v3/certs', effect })
  expect(await connect(testUpstream(), provider)).toEqual(refused('status_503', 'transient'))
  standin.control.script({ on: 'GET /oauth2/v3/certs', effect: { kind: 'drop', when: 'before' } })
  expect(await connect(testUpstream(), provider)).toEqual(refused('unreachable', 'transient'))
})

test('one provider’s ID token is no use at another with the same client id', async () => {
  const { provider } = await googleWith()
  const other = await startGoogle()
  const { server } = provider.descriptor
  const mixed = {
    ...provider,
    descriptor: { ...provider.descriptor, server: { ...server, jwks_uri: `${other.url}/oauth2/v3/certs` } },
  }
  expect(await connect(testUpstream(), mixed)).toEqual(refused('unknown_signing_key', 'transient'))
  await other.stop()
})

test('a maximum age is asked for, and the answer must keep it', async () => {
  const { provider } = await oidcWith()
  const { idTokenClaims } = tokensOf(await connect(testUpstream(), provider, { maxAge: 60 }))
  expect(idTokenClaims).toHaveProperty('auth_time')
})
