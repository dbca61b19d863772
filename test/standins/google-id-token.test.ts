import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Google } from '../../standins/google.ts'
import { ada, now, signIn, startSeeded } from './google-client.ts'
import { get } from './trip.ts'

let google: Google

beforeAll(async () => {
  google = await startSeeded()
})
afterAll(() => google.stop())
beforeEach(() => {
  google.control.addUser(ada)
  google.control.set({ idTokenFault: 'none', idTokenClaims: {}, idTokenTimes: {} })
})

const newIdToken = async () => {
  const answer = await signIn(google, { scope: 'openid email profile', nonce: 'n' })
  return String(answer.id_token)
}
const claimsOf = async () => decodeJwt(await newIdToken())
const verify = async (token: string) =>
  jwtVerify(token, createRemoteJWKSet(new URL(`${google.issuer}/oauth2/v3/certs`)), {
    issuer: google.issuer,
    audience: 'client',
    algorithms: ['RS256'],
    currentDate: new Date(now * 1000),
  })

test('is signed by a published key and says who signed in', async () => {
  const { payload } = await verify(await newIdToken())
  expect(payload).toEqual({
    iss: google.issuer,
    azp: 'client',
    aud: 'client',
    sub: '1042',
    email: 'ada@acme.test',
    email_verified: true,
    name: 'Ada',
    given_name: 'Ada',
    nonce: 'n',
    iat: now,
    exp: now + 3600,
  })
})

describe('one defect at a time', () => {
  test.each([
    ['legacy-iss', { iss: 'accounts.google.com' }],
    ['wrong-iss', { iss: 'https://issuer.invalid' }],
    ['wrong-aud', { aud: 'somebody-else.apps.googleusercontent.com' }],
    ['aud-array', { aud: ['client', 'somebody-else.apps.googleusercontent.com'] }],
    ['wrong-azp', { azp: 'somebody-else.apps.googleusercontent.com' }],
    ['wrong-nonce', { nonce: 'not-the-nonce-of-this-request' }],
    ['expired', { exp: now - 300 }],
    ['future-iat', { iat: now + 3600 }],
  ] as const)('%s', async (idTokenFault, changed) => {
    google.control.set({ idTokenFault })
    expect(await claimsOf()).toMatchObject(changed)
  })

  test.each([
    ['missing-nonce', 'nonce'],
    ['missing-exp', 'exp'],
    ['missing-iat', 'iat'],
    ['missing-sub', 'sub'],
    ['missing-name', 'name'],
    ['aud-array', 'azp'],
  ] as const)('%s leaves out %s', async (idTokenFault, claim) => {
    google.control.set({ idTokenFault })
    expect(await claimsOf()).not.toHaveProperty(claim)
  })

  test.each([
    ['bad-signature', { alg: 'RS256' }, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'],
    ['unknown-kid', { alg: 'RS256' }, 'ERR_JWKS_NO_MATCHING_KEY'],
    ['alg-none', { alg: 'none' }, 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ['hs256', { alg: 'HS256' }, 'ERR_JOSE_ALG_NOT_ALLOWED'],
  ] as const)('%s cannot be verified', async (idTokenFault, header, code) => {
    google.control.set({ idTokenFault })
    const token = await newIdToken()
    expect(decodeProtectedHeader(token)).toMatchObject(header)
    await expect(verify(token)).rejects.toMatchObject({ code })
  })

  test('the HS256 signature is good under the client secret', async () => {
    google.control.set({ idTokenFault: 'hs256' })
    const { payload } = await jwtVerify(await newIdToken(), Buffer.from('secret'), {
      currentDate: new Date(now * 1000),
    })
    expect(payload.sub).toBe('1042')
  })
})

test('claims can be laid over or left out, and times be skewed', async () => {
  google.control.set({
    idTokenClaims: { hd: 'other.test', name: null },
    idTokenTimes: { exp: -20, nbf: 20, iat: 3600 },
  })
  const claims = await claimsOf()
  expect(claims).toMatchObject({ hd: 'other.test', exp: now - 20, nbf: now + 20, iat: now + 3600 })
  expect(claims).not.toHaveProperty('name')
})

test('email_verified and hd are what the directory says, even nonsense', async () => {
  google.control.addUser({ ...ada, emailVerified: 'false', hd: 'acme.test' })
  expect(await claimsOf()).toMatchObject({ email_verified: 'false', hd: 'acme.test' })
  google.control.addUser({ ...ada, emailVerified: false })
  const claims = await claimsOf()
  expect(claims).toMatchObject({ email_verified: false })
  expect(claims).not.toHaveProperty('hd')
})

describe('the keys', () => {
  const kids = async () => {
    const { body, headers } = await get(`${google.issuer}/oauth2/v3/certs`)
    expect(headers.get('cache-control')).toContain('max-age=')
    const { keys } = body as { keys: Record<string, string>[] }
    expect(keys).toMatchObject(Array(2).fill({ kty: 'RSA', alg: 'RS256', use: 'sig' }))
    expect(keys.some((key) => 'd' in key)).toBe(false)
    return keys.map((key) => key.kid)
  }
  const signer = async () => decodeProtectedHeader(await newIdToken()).kid

  test('are two, and a smooth rotation goes to the one already published', async () => {
    const [current, next] = await kids()
    expect(await signer()).toBe(current)
    await google.control.rotateKeys()
    expect(await signer()).toBe(next)
    expect(await kids()).toContain(next)
  })

  test('are all new after a hard rotation', async () => {
    const before = await kids()
    await google.control.rotateKeys('hard')
    expect(before).not.toContain(await signer())
    await expect(verify(await newIdToken())).resolves.toBeDefined()
  })
})
