import { exportSPKI, generateKeyPair } from 'jose'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConfigurationError, upstreamOf } from '../src/index.ts'
import { type Issuer, privateKey, publicJwk, publicKey, signToken, startIssuer } from './support/issuer.ts'
import { claims, now, resource, said, verifierFor } from './support/tokens.ts'

let issuer: Issuer

beforeEach(async () => {
  issuer = await startIssuer()
})
afterEach(async () => {
  vi.useRealTimers()
  await issuer.stop()
})

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

test('a token of the issuer for this server is accepted, and tells whose it is', async () => {
  const verdict = await verifierFor(issuer).verify(
    await issuer.sign({ ...claims, tsid: 'a-ticket', groups: ['x'] }),
  )
  if (verdict.outcome !== 'allowed') throw new Error(verdict.denial.code)
  expect(verdict.authInfo).toMatchObject({
    clientId: 'a-client',
    scopes: ['notes.read'],
    expiresAt: now + 3300,
    resource: new URL(resource),
    resourceMetadataUrl: 'https://notes.example/.well-known/oauth-protected-resource/mcp',
    extra: { subject: 'ada', issuer: issuer.issuer, tsid: 'a-ticket', claims: { groups: ['x'], jti: '1' } },
  })
})

test('an unsigned token is refused', async () => {
  const told = encoded({ iss: issuer.issuer, ...claims })
  for (const alg of ['none', 'None', 'NONE', '']) {
    const header = encoded({ alg, typ: 'at+jwt', kid: 'known' })
    expect(await said(verifierFor(issuer), `${header}.${told}.`)).toMatch(/^invalid_token /)
    expect(await said(verifierFor(issuer), `${header}.${told}.AAAA`)).toMatch(/^invalid_token /)
  }
})

test('a token signed with the public key as a secret is refused', async () => {
  const spki = await exportSPKI(publicKey)
  for (const secret of [spki, spki.trim(), JSON.stringify(publicJwk)]) {
    const parts = `${encoded({ alg: 'HS256', typ: 'at+jwt', kid: 'known' })}.${encoded({ iss: issuer.issuer, ...claims })}`
    const bytes = new TextEncoder().encode(secret)
    const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, [
      'sign',
    ])
    const signature = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(parts))
    const token = `${parts}.${Buffer.from(signature).toString('base64url')}`
    expect(await said(verifierFor(issuer), token)).toBe('invalid_token unsupported_algorithm')
  }
})

test('a symmetric key among the published ones verifies nothing', async () => {
  const secret = crypto.getRandomValues(new Uint8Array(32))
  const k = Buffer.from(secret).toString('base64url')
  issuer.routes['/jwks'] = () => ({ body: { keys: [{ kty: 'oct', k, kid: 'known', alg: 'HS256' }] } })
  const parts = `${encoded({ alg: 'HS256', typ: 'at+jwt', kid: 'known' })}.${encoded({ iss: issuer.issuer, ...claims })}`
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const signature = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(parts))
  const token = `${parts}.${Buffer.from(signature).toString('base64url')}`
  expect(await said(verifierFor(issuer), token)).toBe('invalid_token unsupported_algorithm')
})

test('a token signed with another key under a known name is refused, and so is a changed one', async () => {
  const other = await generateKeyPair('ES256')
  const forged = await signToken({ iss: issuer.issuer, ...claims }, {}, other.privateKey)
  expect(await said(verifierFor(issuer), forged)).toBe('invalid_token bad_signature')
  const [header, , signature] = (await issuer.sign(claims)).split('.')
  const widened = `${header}.${encoded({ iss: issuer.issuer, ...claims, scope: 'notes.read admin' })}.${signature}`
  expect(await said(verifierFor(issuer), widened)).toBe('invalid_token bad_signature')
})

test('a key that a token brings along is not used', async () => {
  const other = await generateKeyPair('ES256', { extractable: true })
  const jwk = await crypto.subtle.exportKey('jwk', other.publicKey)
  const header = { kid: null, jwk, jku: `${issuer.origin}/evil` }
  const token = await signToken({ iss: issuer.issuer, ...claims }, header, other.privateKey)
  expect(await said(verifierFor(issuer), token)).toBe('invalid_token bad_signature')
  expect(issuer.asked('/evil')).toBe(0)
})

test('what is no token is refused, before anything is fetched', async () => {
  const { verify } = verifierFor(issuer)
  const long = await issuer.sign({ ...claims, padding: 'x'.repeat(20_000) })
  const garbage = ['garbage', 'a.b', 'a.b.c', '..', 'a.b.c.d.e', `${encoded({})}.${encoded([])}.x`, long]
  for (const token of garbage) {
    expect(await said({ verify }, token)).toBe('invalid_token malformed')
  }
  expect(issuer.requests).toEqual([])
})

test('a token of an issuer that is not trusted is refused, without a word to that issuer', async () => {
  const other = await startIssuer()
  try {
    expect(await said(verifierFor(issuer), await other.sign(claims))).toBe('invalid_token untrusted_issuer')
    expect(other.requests).toEqual([])
  } finally {
    await other.stop()
  }
})

test('of several trusted issuers each signs its own tokens alone', async () => {
  const other = await startIssuer('/tenant')
  try {
    const trusted = verifierFor(issuer, {
      authorizationServers: [issuer.issuer, { issuer: other.issuer }],
    })
    expect(await said(trusted, await issuer.sign(claims))).toBe('allowed')
    expect(await said(trusted, await other.sign(claims))).toBe('allowed')
    const theirs = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await crypto.subtle.exportKey('jwk', theirs.publicKey)), kid: 'theirs', alg: 'ES256' }
    other.routes['/jwks'] = () => ({ body: { keys: [jwk] } })
    const fresh = verifierFor(issuer, {
      authorizationServers: [issuer.issuer, other.issuer],
    })
    const crossed = await signToken({ iss: issuer.issuer, ...claims }, { kid: 'theirs' }, theirs.privateKey)
    expect(await said(fresh, crossed)).toBe('invalid_token unknown_key')
  } finally {
    await other.stop()
  }
})

test('a server that writes JWT into every token is served where that is said, its ID tokens are not', async () => {
  const lenient = verifierFor(issuer, {
    authorizationServers: [{ issuer: issuer.issuer, tokenTypes: ['at+jwt', 'JWT'] }],
  })
  expect(await said(lenient, await issuer.sign(claims, { typ: 'JWT' }))).toBe('allowed')
  for (const mark of ['nonce', 'at_hash', 'c_hash']) {
    const token = await issuer.sign({ ...claims, [mark]: 'x' }, { typ: 'JWT' })
    expect(await said(lenient, token)).toBe('invalid_token wrong_type')
  }
})

test('an audience other than the resource is accepted where that is said, and then the resource is none', async () => {
  const verifier = verifierFor(issuer, { audience: ['my-api', 'your-api'] })
  expect(await said(verifier, await issuer.sign({ ...claims, aud: 'my-api' }))).toBe('allowed')
  expect(await said(verifier, await issuer.sign({ ...claims, aud: ['x', 'your-api'] }))).toBe('allowed')
  expect(await said(verifier, await issuer.sign(claims))).toBe('invalid_audience')
})

test('a scope opens what it is said to imply', async () => {
  const verifier = verifierFor(issuer, { impliedScopes: { 'notes.write': ['notes.read'] } })
  const token = await issuer.sign({ ...claims, scope: 'notes.write' })
  expect(await said(verifier, token, { scopes: ['notes.read'] })).toBe('allowed')
})

test('an unknown key is looked for once, and not again for the next ones', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const verifier = verifierFor(issuer)
  expect(await said(verifier, await issuer.sign(claims))).toBe('allowed')
  const unknown = await issuer.sign(claims, { kid: 'unknown' })
  for (let times = 0; times < 5; times++)
    expect(await said(verifier, unknown)).toBe('invalid_token unknown_key')
  expect(issuer.asked('/jwks')).toBe(1)
  vi.advanceTimersByTime(31_000)
  await Promise.all(Array.from({ length: 5 }, () => said(verifier, unknown)))
  for (let times = 0; times < 5; times++) await said(verifier, unknown)
  expect(issuer.asked('/jwks')).toBe(2)
})

test('a key that was added is found', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const verifier = verifierFor(issuer)
  await said(verifier, await issuer.sign(claims))
  issuer.routes['/jwks'] = () => ({ body: { keys: [publicJwk, { ...publicJwk, kid: 'new' }] } })
  vi.advanceTimersByTime(31_000)
  expect(
    await said(verifier, await signToken({ iss: issuer.issuer, ...claims }, { kid: 'new' }, privateKey)),
  ).toBe('allowed')
})

test('keys that cannot be fetched again are used for an hour, as far as they go', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  let time = now
  const pass = (seconds: number) => {
    time += seconds
    vi.advanceTimersByTime(seconds * 1000)
  }
  const verifier = verifierFor(issuer, { clock: () => time })
  const token = await issuer.sign({ ...claims, exp: now + 10_000 })
  expect(await said(verifier, token)).toBe('allowed')
  issuer.routes['/jwks'] = () => ({ status: 500, body: {} })
  pass(3599)
  expect(await said(verifier, token)).toBe('allowed')
  const unknown = await issuer.sign({ ...claims, exp: now + 10_000 }, { kid: 'new' })
  expect(await said(verifier, unknown)).toBe('policy_unavailable keys_unreachable')
  pass(1)
  expect(await said(verifier, token)).toBe('policy_unavailable keys_unreachable')
})

test('while the keys cannot be had nobody is let in, and they are not asked for at every request', async () => {
  let time = now
  const verifier = verifierFor(issuer, { clock: () => time })
  const token = await issuer.sign(claims)
  const broken = [
    { status: 500, body: {} },
    { status: 302, headers: { location: `${issuer.origin}/elsewhere` }, body: {} },
    { body: 'x'.repeat(300_000) },
  ]
  for (const [at, answer] of broken.entries()) {
    issuer.routes['/jwks'] = () => answer
    expect(await said(verifier, token)).toBe('policy_unavailable keys_unreachable')
    expect(await said(verifier, token)).toBe('policy_unavailable keys_unreachable')
    expect(issuer.asked('/jwks')).toBe(at + 1)
    time += 6
  }
  expect(issuer.asked('/elsewhere')).toBe(0)
  for (const body of ['<html>', {}, { keys: 'none' }]) {
    issuer.routes['/jwks'] = () => ({ body })
    expect(await said(verifier, token)).toBe('policy_unavailable keys_unreachable')
    time += 6
  }
  issuer.routes['/jwks'] = () => ({ body: { keys: [publicJwk] } })
  expect(await said(verifier, token)).toBe('allowed')
})

test('a mistaken configuration is refused with every mistake', () => {
  const mistakes = (run: () => unknown): readonly string[] => {
    try {
      run()
    } catch (error) {
      if (error instanceof ConfigurationError) return error.mistakes
      throw error
    }
    return []
  }
  const wrong = () =>
    verifierFor(issuer, {
      issuer: issuer.issuer,
      resource: 'notes.example/mcp',
      algorithms: ['HS256', 'none', 'ES256'],
      validation: 'introspection',
      authorizationServers: ['https://ada@auth.example/#x'],
    })
  expect(mistakes(wrong)).toEqual([
    'resource: notes.example/mcp is not an absolute URL',
    'issuer: https://ada@auth.example/#x must have no user, password or fragment',
    'algorithms: HS256 is not asymmetric',
    'algorithms: none is not asymmetric',
    'issuer: give it or authorizationServers, not both',
    'credential: validation by introspection needs one',
  ])
  expect(mistakes(() => verifierFor({ issuer: 'http://auth.example' }))).toEqual([
    'issuer: http://auth.example is neither https nor on this machine',
  ])
  for (const credential of [
    { id: '', secret: 'secret' },
    { id: 'notes', secret: '' },
  ]) {
    const isMissing = 'credential: its id or its secret is empty'
    expect(mistakes(() => verifierFor(issuer, { credential }))).toEqual([isMissing])
    expect(mistakes(() => upstreamOf({ issuer: issuer.issuer, credential }))).toEqual([isMissing])
  }
  expect(mistakes(() => verifierFor(issuer, { authorizationServers: [] }))).toEqual([
    'issuer: name at least one authorization server',
  ])
})
