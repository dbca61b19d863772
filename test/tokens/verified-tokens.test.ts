import { importJWK } from 'jose'
import { beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { mintAccessToken } from '../../src/tokens/access-token.ts'
import { generateSigningKey } from '../../src/tokens/signing-key-ring.ts'
import { type Signer, signerOf, type VerificationKeys } from '../../src/tokens/signing-keys.ts'
import { createVerifyAccessToken, type VerifyAccessToken } from '../../src/tokens/verified-tokens.ts'

const start = 1_800_000_000
const issuer = 'https://coatcheck.test'
const audience = 'https://mcp.test/mcp'
const lifetime = 3_600

const state: { now: number; keys: VerificationKeys } = { now: start, keys: new Map() }
let signer: Signer
let published: VerificationKeys
let verify: VerifyAccessToken
const signatures = vi.spyOn(crypto.subtle, 'verify')

async function opened(jwk: object) {
  const key = await importJWK(jwk, 'ES256')
  if (key instanceof Uint8Array) throw new Error('not a key pair')
  return key
}

beforeAll(async () => {
  const { kid, privateJwk, publicJwk } = await generateSigningKey()
  signer = signerOf(kid, privateJwk)
  published = new Map([[kid, await opened(publicJwk)]])
})

beforeEach(() => {
  state.now = start
  state.keys = published
  signatures.mockClear()
  verify = createVerifyAccessToken({
    signingKeys: { verificationKeys: async () => state.keys },
    issuer,
    clock: () => state.now,
    capacity: 3,
  })
})

const mint = (jti = 'grant_1.random') =>
  mintAccessToken({
    key: signer,
    issuer,
    audience,
    subject: 'sub_1',
    clientId: 'client_1',
    scopes: ['notes.read'],
    jti,
    authTime: start,
    now: start,
    lifetime,
  })

test('the signature of a token is verified once', async () => {
  const token = mint()
  const first = await verify(token, audience)
  expect(first).toMatchObject({ subject: 'sub_1', expiresAt: start + lifetime })
  expect(await verify(token, audience)).toEqual(first)
  expect(await verify(token)).toEqual(first)
  expect(signatures).toHaveBeenCalledTimes(1)
})

test('a token that is known is still for its own audience alone', async () => {
  const token = mint()
  expect(await verify(token)).toBeDefined()
  expect(await verify(token, 'https://mcp.test')).toBeUndefined()
  expect(await verify(token, audience)).toBeDefined()
})

test('a token that is known ends when it says', async () => {
  const token = mint()
  state.now = start + lifetime - 1
  expect(await verify(token, audience)).toBeDefined()
  state.now += 1
  expect(await verify(token, audience)).toBeUndefined()
})

test('a token that is known is worth nothing once its key is taken back', async () => {
  const token = mint()
  expect(await verify(token, audience)).toBeDefined()
  state.keys = new Map()
  expect(await verify(token, audience)).toBeUndefined()
  const other = await generateSigningKey()
  state.keys = new Map([[signer.kid, await opened(other.publicJwk)]])
  expect(await verify(token, audience)).toBeUndefined()
})

test('what is not the very text that was verified is not known', async () => {
  const token = mint()
  expect(await verify(token, audience)).toBeDefined()
  const [header, payload, signature = ''] = token.split('.')
  const forged = Buffer.from(JSON.stringify({ sub: 'sub_2' })).toString('base64url')
  expect(await verify(`${header}.${forged}.${signature}`, audience)).toBeUndefined()
  expect(await verify(`${header}.${payload}.${signature.slice(0, -4)}AAAA`, audience)).toBeUndefined()
  expect(await verify(`${token} `, audience)).toBeUndefined()
})

test('what was refused is not remembered', async () => {
  const token = mint()
  state.keys = new Map()
  expect(await verify(token, audience)).toBeUndefined()
  state.keys = published
  expect(await verify(token, audience)).toBeDefined()
})

test('no more than so many are remembered, the latest', async () => {
  const first = mint()
  await verify(first)
  for (const jti of ['grant_2.random', 'grant_3.random']) await verify(mint(jti))
  signatures.mockClear()
  await verify(first)
  expect(signatures).not.toHaveBeenCalled()
  await verify(mint('grant_4.random'))
  signatures.mockClear()
  await verify(first)
  expect(signatures).toHaveBeenCalledTimes(1)
})
