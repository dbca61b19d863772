import { createHmac, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { exportJWK, exportSPKI, importJWK, SignJWT } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Minting, mintAccessToken, verifyAccessToken } from '../../src/tokens/access-token.ts'
import { type GeneratedKey, generateSigningKey } from '../../src/tokens/signing-key-ring.ts'
import { type Signer, signerOf, type VerificationKeys } from '../../src/tokens/signing-keys.ts'

const now = 1_800_000_000
const issuer = 'https://coatcheck.test'
const audience = 'https://mcp.test/mcp'

let own: GeneratedKey
let foreign: GeneratedKey
let signer: Signer
let keys: VerificationKeys

async function opened(jwk: object) {
  const key = await importJWK(jwk, 'ES256', { extractable: true })
  if (key instanceof Uint8Array) throw new Error('not a key pair')
  return key
}

beforeAll(async () => {
  own = await generateSigningKey()
  foreign = await generateSigningKey()
  signer = signerOf(own.kid, own.privateJwk)
  keys = new Map([[own.kid, await opened(own.publicJwk)]])
})

const minting = (changes: Partial<Minting> = {}): Minting => ({
  key: signer,
  issuer,
  audience,
  subject: 'sub_1',
  clientId: 'client_1',
  scopes: ['repo.read', 'issues'],
  jti: 'grant_1.random',
  tsid: 'ts_1',
  authTime: now - 100,
  acr: 'urn:acr:mfa',
  now,
  lifetime: 3_600,
  ...changes,
})

const verify = (token: string, at = now) => verifyAccessToken(token, { keys, issuer, audience, now: at })
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const partsOf = (token: string) => token.split('.') as [string, string, string]
const decoded = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))

const claims = () => ({
  iss: issuer,
  aud: audience,
  sub: 'sub_1',
  client_id: 'client_1',
  scope: 'repo.read',
  jti: 'grant_1.random',
  auth_time: now,
  iat: now,
  exp: now + 60,
})

/** Signs any header and any claims with our own key. */
function signed(header: object, payload: unknown): string {
  const input = `${part({ alg: 'ES256', typ: 'at+jwt', kid: own.kid, ...header })}.${part(payload)}`
  return signInput(input)
}

const signInput = (input: string): string => `${input}.${signer.sign(input)}`

describe('an access token', () => {
  test('has the header and the claims of RFC 9068, and no others', async () => {
    const [header, payload] = partsOf(mintAccessToken(minting()))
    expect(decoded(header)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: own.kid })
    expect(decoded(payload)).toEqual({
      iss: issuer,
      aud: audience,
      sub: 'sub_1',
      client_id: 'client_1',
      scope: 'repo.read issues',
      jti: 'grant_1.random',
      tsid: 'ts_1',
      auth_time: now - 100,
      acr: 'urn:acr:mfa',
      iat: now,
      exp: now + 3_600,
    })
  })

  test('leaves out what there is not', async () => {
    const { tsid: _, acr: __, ...without } = minting({ scopes: [] })
    const token = mintAccessToken(without)
    expect(Object.keys(decoded(partsOf(token)[1]))).not.toEqual(
      expect.arrayContaining(['tsid', 'acr', 'scope']),
    )
    expect(JSON.stringify(decoded(partsOf(token)[1]))).not.toContain('null')
    expect(await verify(token)).toMatchObject({ subject: 'sub_1', scopes: [] })
    expect(await verify(token)).not.toHaveProperty('tsid')
  })

  test('is read back as it was minted', async () => {
    const { key: _, now: __, lifetime, ...said } = minting()
    expect(await verify(mintAccessToken(minting()))).toEqual({
      ...said,
      issuedAt: now,
      expiresAt: now + lifetime,
    })
  })

  test('ends at its very second', async () => {
    const token = mintAccessToken(minting())
    expect(await verify(token, now + 3_599)).toBeDefined()
    expect(await verify(token, now + 3_600)).toBeUndefined()
  })

  test('is for one audience and from one issuer', async () => {
    const token = mintAccessToken(minting())
    const at = { keys, issuer, now }
    expect(await verifyAccessToken(token, at)).toBeDefined()
    expect(await verifyAccessToken(token, { ...at, audience: 'https://mcp.test' })).toBeUndefined()
    expect(await verifyAccessToken(token, { ...at, audience: `${audience}/` })).toBeUndefined()
    expect(await verifyAccessToken(token, { ...at, issuer: `${issuer}/` })).toBeUndefined()
    expect(await verifyAccessToken(token, { ...at, keys: new Map() })).toBeUndefined()
  })
})

describe('what is not an access token of ours', () => {
  test('a header that our own key signed verifies only as ours', async () => {
    expect(await verify(signed({}, claims()))).toBeDefined()
  })

  test.each<[string, object]>([
    ['alg none', { alg: 'none' }],
    ['alg None', { alg: 'None' }],
    ['alg ES384', { alg: 'ES384' }],
    ['alg RS256', { alg: 'RS256' }],
    ['alg of another type', { alg: 256 }],
    ['no alg', { alg: undefined }],
    ['typ JWT', { typ: 'JWT' }],
    ['typ of an ID token', { typ: 'id_token+jwt' }],
    ['typ with a media type', { typ: 'application/at+jwt' }],
    ['no typ', { typ: undefined }],
    ['no kid', { kid: undefined }],
    ['an unknown kid', { kid: 'unknown' }],
    ['a path as kid', { kid: '../../dev/null' }],
    ['SQL as kid', { kid: "' or 1=1--" }],
    ['a list as kid', { kid: ['x'] }],
    ['an object as kid', { kid: {} }],
    ['null as kid', { kid: null }],
    ['__proto__ as kid', { kid: '__proto__' }],
    ['constructor as kid', { kid: 'constructor' }],
    ['a huge kid', { kid: 'k'.repeat(10_240) }],
    ['an embedded key', { jwk: { kty: 'EC' } }],
    ['jku', { jku: 'https://evil.test/jwks.json' }],
    ['x5u', { x5u: 'https://evil.test/cert.pem' }],
    ['x5c', { x5c: ['MIIB'] }],
    ['crit', { crit: ['exp'], exp: 1 }],
    ['an empty crit', { crit: [] }],
    ['b64', { b64: true, crit: ['b64'] }],
    ['an unencoded payload', { b64: false, crit: ['b64'] }],
    ['zip', { zip: 'DEF' }],
    ['any other member', { nonce: 'x' }],
  ])('is refused with %s in its header, even when our key signed it', async (_, header) => {
    expect(await verify(signed(header, claims()))).toBeUndefined()
  })

  test.each<[string, object]>([
    ['no exp', { exp: undefined }],
    ['exp as text', { exp: `${now + 60}` }],
    ['exp null', { exp: null }],
    ['exp in the past', { exp: now - 1 }],
    ['nbf in the future', { nbf: now + 10 }],
    ['no iat', { iat: undefined }],
    ['no jti', { jti: undefined }],
    ['an empty jti', { jti: '' }],
    ['a jti that is a number', { jti: 1 }],
    ['no sub', { sub: undefined }],
    ['a sub that is an object', { sub: {} }],
    ['no client_id', { client_id: undefined }],
    ['no iss', { iss: undefined }],
    ['another iss', { iss: 'https://evil.test' }],
    ['no aud', { aud: undefined }],
    ['a list as aud', { aud: [audience] }],
    ['two audiences', { aud: [audience, 'https://evil.test'] }],
    ['a scope that is a list', { scope: ['repo.read'] }],
    ['a scope with a quotation mark', { scope: '"repo.read"' }],
    ['a tsid that is a number', { tsid: 1 }],
    ['an empty tsid', { tsid: '' }],
  ])('is refused with %s, even when our key signed it', async (_, changes) => {
    expect(await verify(signed({}, { ...claims(), ...changes }))).toBeUndefined()
  })

  test.each([null, 1, 'text', [], [claims]])('is refused with %j for claims', async (payload) => {
    expect(await verify(signed({}, payload))).toBeUndefined()
  })

  test('is refused when a stranger signed it, under our kid or with their own key in it', async () => {
    const theirs = await opened(foreign.privateJwk)
    const forge = (header: object) =>
      new SignJWT(claims()).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header }).sign(theirs)
    expect(await verify(await forge({ kid: own.kid }))).toBeUndefined()
    expect(await verify(await forge({ kid: foreign.kid }))).toBeUndefined()
    expect(await verify(await forge({ kid: own.kid, jwk: foreign.publicJwk }))).toBeUndefined()
  })

  test('is refused when our public key served as an HMAC secret', async () => {
    const publicKey = await opened(own.publicJwk)
    const secrets = [await exportSPKI(publicKey), JSON.stringify(await exportJWK(publicKey)), own.kid]
    for (const alg of ['HS256', 'ES256']) {
      for (const secret of secrets) {
        const input = `${part({ alg, typ: 'at+jwt', kid: own.kid })}.${part(claims())}`
        const mac = createHmac('sha256', secret).update(input).digest('base64url')
        expect(await verify(`${input}.${mac}`)).toBeUndefined()
      }
    }
  })

  test.each<[string, string, () => { privateKey: KeyObject }]>([
    ['RS256', 'sha256', () => generateKeyPairSync('rsa', { modulusLength: 2_048 })],
    ['ES384', 'sha384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
  ])('is refused when signed with %s', async (alg, hash, generate) => {
    const input = `${part({ alg, typ: 'at+jwt', kid: own.kid })}.${part(claims())}`
    const signature = createSign(hash)
      .update(input)
      .sign({ key: generate().privateKey, dsaEncoding: 'ieee-p1363' })
    expect(await verify(`${input}.${signature.toString('base64url')}`)).toBeUndefined()
  })

  test('is refused without a signature, or with an empty or a zero one', async () => {
    const [header, payload] = partsOf(mintAccessToken(minting()))
    const zero = Buffer.alloc(64).toString('base64url')
    for (const forged of [`${header}.${payload}`, `${header}.${payload}.`, `${header}.${payload}.${zero}`]) {
      expect(await verify(forged)).toBeUndefined()
    }
    expect(await verify(`${part({ alg: 'none', typ: 'at+jwt' })}.${payload}.`)).toBeUndefined()
  })

  test.each<[string, (token: string) => string]>([
    ['truncated', (token) => token.slice(0, -1)],
    ['extended', (token) => `${token}A`],
    ['padded', (token) => `${token}==`],
    ['in capitals', (token) => token.toUpperCase()],
    ['with a space', (token) => ` ${token}`],
    ['with a line feed', (token) => `${token}\n`],
    ['with a fourth part', (token) => `${token}.${token.split('.')[2]}`],
    ['in JSON serialization', (token) => JSON.stringify({ token })],
    ['with other claims', (token) => token.replace(/\.[^.]+\./, `.${part({ ...claims(), sub: 'other' })}.`)],
    ['beyond any length', (token) => token + 'A'.repeat(1_000_000)],
  ])('is refused %s', async (_, damage) => {
    expect(await verify(damage(mintAccessToken(minting())))).toBeUndefined()
  })

  test('whatever it is, verifying it throws nothing', async () => {
    const segment = fc.oneof(
      fc.json().map((text) => Buffer.from(text).toString('base64url')),
      fc.stringMatching(/^[A-Za-z0-9_-]{0,40}$/),
    )
    const jwt = fc.array(segment, { minLength: 3, maxLength: 3 }).map((segments) => segments.join('.'))
    await fc.assert(
      fc.asyncProperty(fc.oneof(jwt, fc.string({ unit: 'binary' })), async (token) => {
        expect(await verify(token)).toBeUndefined()
      }),
      { numRuns: 1_000 },
    )
  })

  test('whatever our own key signed, verifying it throws nothing', async () => {
    const header = fc.dictionary(fc.constantFrom('alg', 'typ', 'kid', 'crit', 'b64', 'jwk'), fc.jsonValue())
    const payload = fc.dictionary(fc.constantFrom(...Object.keys(claims())), fc.jsonValue())
    await fc.assert(
      fc.asyncProperty(header, payload, async (members, changes) => {
        const token = signed(members, { ...claims(), ...changes })
        expect(['object', 'undefined']).toContain(typeof (await verify(token)))
      }),
      { numRuns: 300 },
    )
  })
})

describe('the spellings of one token', () => {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

  test('both signatures of ECDSA verify, so a token is known by its jti and never by its text', async () => {
    const [header, payload, signature] = partsOf(mintAccessToken(minting()))
    const bytes = Buffer.from(signature, 'base64url')
    const twin = (order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)).toString(16).padStart(64, '0')
    const other = Buffer.concat([bytes.subarray(0, 32), Buffer.from(twin, 'hex')]).toString('base64url')
    const token = `${header}.${payload}.${other}`
    expect(other).not.toBe(signature)
    expect((await verify(token))?.jti).toBe('grant_1.random')
  })

  test('leftover bits of the last character are not accepted', async () => {
    const token = mintAccessToken(minting())
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(token.at(-1) ?? '')
    for (let bits = 1; bits < 16; bits++) {
      expect(await verify(token.slice(0, -1) + alphabet[last + bits])).toBeUndefined()
    }
  })
})
