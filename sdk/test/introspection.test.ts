import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { VerifierOptions } from '../src/index.ts'
import { type Issuer, startIssuer } from './support/issuer.ts'
import { claims, now, resource, said, verifierFor } from './support/tokens.ts'

let issuer: Issuer
let time: number
/** What is said of every token. */
let told: Record<string, unknown>

beforeEach(async () => {
  issuer = await startIssuer()
  time = now
  told = { active: true, ...claims, iss: issuer.issuer }
  issuer.introspect(() => told)
})
afterEach(async () => {
  vi.unstubAllGlobals()
  await issuer.stop()
})

const credential = { id: 'notes:1', secret: 'a secret, 100%' }
const asking = (options: Partial<VerifierOptions> = {}) =>
  verifierFor(issuer, { credential, clock: () => time, ...options })

test('with a credential, a signed token is also asked about, and refused once it is revoked', async () => {
  const verifier = asking()
  const token = await issuer.sign(claims)
  expect(await said(verifier, token)).toBe('allowed')
  const [{ authorization = '', form } = { form: new URLSearchParams() }] = issuer.introspections
  expect(atob(authorization.replace('Basic ', ''))).toBe('notes%3A1:a%20secret%2C%20100%25')
  expect(Object.fromEntries(form)).toEqual({ token, token_type_hint: 'access_token' })

  told = { active: false }
  expect(await said(verifier, token)).toBe('allowed')
  time += 5
  expect(await said(verifier, token)).toBe('token_revoked')
  expect(await said(verifier, token)).toBe('token_revoked')
  expect(issuer.introspections.length).toBe(3)
})

test('a lifetime of nothing asks every time', async () => {
  const verifier = asking({ introspectionLifetime: 0 })
  const token = await issuer.sign(claims)
  expect(await said(verifier, token)).toBe('allowed')
  told = { active: false }
  expect(await said(verifier, token)).toBe('token_revoked')
})

test('an answer is never remembered beyond the end of the token', async () => {
  told = { active: true, ...claims, exp: now + 2 }
  const verifier = asking({ validation: 'introspection', introspectionLifetime: 60, clockTolerance: 0 })
  expect(await said(verifier, 'opaque')).toBe('allowed')
  time += 2
  expect(await said(verifier, 'opaque')).toBe('invalid_token token_expired')
  expect(issuer.introspections.length).toBe(2)
})

test('many who come with one token at once ask once', async () => {
  const verifier = asking()
  const token = await issuer.sign(claims)
  const all = await Promise.all(Array.from({ length: 20 }, () => said(verifier, token)))
  expect(new Set(all)).toEqual(new Set(['allowed']))
  expect(issuer.introspections.length).toBe(1)
})

test('in a runtime that keeps requests apart, nobody waits for what another one asked', async () => {
  vi.stubGlobal('navigator', { userAgent: 'Cloudflare-Workers' })
  const authorizationServers = [{ issuer: issuer.issuer, metadata: issuer.metadata }]
  const verifier = asking({ validation: 'introspection', authorizationServers })
  await Promise.all([said(verifier, 'opaque'), said(verifier, 'opaque')])
  expect(issuer.introspections.length).toBe(2)
})

test('a thousand tokens are remembered and no more, and made-up ones push out none', async () => {
  const asked: string[] = []
  const verifier = asking({
    validation: 'introspection',
    authorizationServers: [{ issuer: issuer.issuer, metadata: issuer.metadata }],
    async fetch(_url, init) {
      const token = new URLSearchParams(String(init?.body)).get('token') ?? ''
      asked.push(token)
      return Response.json(token.startsWith('made-up') ? { active: false } : told)
    },
  })
  await said(verifier, 'first')
  for (let count = 1; count < 1000; count++) await said(verifier, `token-${count}`)
  for (let count = 0; count < 50; count++) await said(verifier, `made-up-${count}`)
  asked.splice(0)
  await said(verifier, 'first')
  expect(asked).toEqual([])
  await said(verifier, 'one-more')
  await said(verifier, 'first')
  expect(asked).toEqual(['one-more', 'first'])
})

test('what is wrong is told in the order of the checks, and nobody is asked about a token that fails one', async () => {
  told = { active: false }
  const verifier = asking()
  const needs = { scopes: ['notes.write'] }
  expect(await said(verifier, await issuer.sign({ ...claims, aud: 'x', exp: 1 }), needs)).toBe(
    'invalid_token token_expired',
  )
  expect(await said(verifier, await issuer.sign({ ...claims, aud: 'x' }), needs)).toBe('invalid_audience')
  expect(await said(verifier, await issuer.sign(claims), needs)).toBe('scope_insufficient')
  expect(issuer.introspections).toEqual([])
  expect(await said(verifier, await issuer.sign(claims), { maxAge: 60 })).toBe('token_revoked')
})

test('scopes that were taken away since the token was signed are gone', async () => {
  told = { active: true, scope: 'notes.read' }
  const token = await issuer.sign({ ...claims, scope: 'notes.read notes.write' })
  expect(await said(asking(), token, { scopes: ['notes.write'] })).toBe('scope_insufficient')
  const verdict = await asking().verify(token)
  expect(verdict).toMatchObject({ outcome: 'allowed', authInfo: { scopes: ['notes.read'] } })
  told = { active: true }
  expect(await said(asking(), token, { scopes: ['notes.write'] })).toBe('allowed')
})

test('while the server cannot be asked nobody is let in', async () => {
  const token = await issuer.sign(claims)
  const answers = {
    introspection_unreadable: [
      { status: 500, body: {} },
      { body: 'no JSON' },
      { body: { active: 'true' } },
      { body: {} },
    ],
    introspection_redirected: [{ status: 302, headers: { location: '/elsewhere' }, body: {} }],
    introspection_too_large: [{ body: { active: true, more: 'x'.repeat(70_000) } }],
    credential_refused: [{ status: 401, body: {} }],
  }
  for (const validation of ['introspection', 'jwt+introspection'] as const) {
    for (const [reason, each] of Object.entries(answers)) {
      for (const answer of each) {
        issuer.routes['/introspect'] = () => answer
        expect(await said(asking({ validation }), token)).toBe(`policy_unavailable ${reason}`)
      }
    }
    const authorizationServers = [
      { issuer: issuer.issuer, metadata: { ...issuer.metadata, introspection_endpoint: undefined } },
    ]
    expect(await said(asking({ validation, authorizationServers }), token)).toBe(
      'policy_unavailable introspection_not_supported',
    )
  }
  await issuer.stop()
  expect(await said(asking({ validation: 'introspection' }), token)).toBe(
    'policy_unavailable metadata_unreachable',
  )
  issuer = await startIssuer()
})

test('a token too long for any header is not asked about', async () => {
  const verifier = asking({ validation: 'introspection' })
  expect(await said(verifier, 'x'.repeat(20_000))).toBe('invalid_token malformed')
  expect(issuer.introspections).toEqual([])
})

test('an opaque token is as good as what is said of it', async () => {
  const verdicts: [change: Record<string, unknown>, verdict: string][] = [
    [{}, 'allowed'],
    [{ aud: undefined }, 'invalid_audience'],
    [{ aud: 'https://mail.example' }, 'invalid_audience'],
    [{ aud: [`${resource}/`] }, 'allowed'],
    [{ exp: undefined }, 'invalid_token missing_claim'],
    [{ exp: now - 60 }, 'invalid_token token_expired'],
    [{ sub: undefined }, 'invalid_token missing_claim'],
    [{ token_type: 'bearer' }, 'allowed'],
    [{ token_type: 'refresh_token' }, 'invalid_token wrong_type'],
    [{ token_type: 'DPoP' }, 'invalid_token wrong_type'],
    [{ cnf: { jkt: 'x' } }, 'invalid_token sender_constrained'],
    [{ iss: 'https://evil.example' }, 'invalid_token inactive'],
    [{ active: false }, 'invalid_token inactive'],
  ]
  for (const [change, verdict] of verdicts) {
    told = { active: true, ...claims, ...change }
    expect(await said(asking({ validation: 'introspection' }), 'opaque')).toBe(verdict)
  }
})

test('of several servers the one that knows a token is believed, and a silent one may be it', async () => {
  const other = await startIssuer()
  try {
    const authorizationServers = [issuer.issuer, other.issuer]
    const verifier = asking({ validation: 'introspection', authorizationServers })
    told = { active: false }
    other.introspect((token) => ({ ...claims, active: token === 'theirs' }))
    const verdict = await verifier.verify('theirs')
    expect(verdict).toMatchObject({ outcome: 'allowed', authInfo: { extra: { issuer: other.issuer } } })
    expect(await said(verifier, 'nobodys')).toBe('invalid_token inactive')
    other.routes['/introspect'] = () => ({ status: 503, body: {} })
    expect(await said(verifier, 'unknown')).toBe('policy_unavailable introspection_unreadable')
  } finally {
    await other.stop()
  }
})

test('a private key proves who asks, by an assertion for the issuer that soon ends', async () => {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const key = { ...(await exportJWK(pair.privateKey)), kid: 'own', alg: 'ES256' }
  const verifier = asking({ credential: { id: 'notes-1', key }, introspectionLifetime: 0 })
  expect(await said(verifier, await issuer.sign(claims))).toBe('allowed')
  expect(await said(verifier, await issuer.sign(claims))).toBe('allowed')
  const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'own' }] })
  const seen = new Set()
  for (const { authorization, form } of issuer.introspections) {
    expect(authorization).toBeUndefined()
    expect(form.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    const { payload } = await jwtVerify(form.get('client_assertion') ?? '', keys, {
      audience: issuer.issuer,
      issuer: 'notes-1',
      subject: 'notes-1',
      currentDate: new Date(now * 1000),
    })
    expect(payload.exp).toBe(now + 60)
    seen.add(payload.jti)
  }
  expect(seen.size).toBe(2)
})
