import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

type Parts = { header: Record<string, unknown>; payload: Record<string, unknown>; signature: string }

const write = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

export function partsOf(token: string): Parts {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const read = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString())
  return { header: read(header), payload: read(payload), signature }
}

function signed(header: unknown, payload: unknown, signer: (input: string) => Buffer): string {
  const input = `${write(header)}.${write(payload)}`
  return `${input}.${signer(input).toString('base64url')}`
}

const ecdsa = (key: KeyObject) => (input: string) =>
  sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })

/**
 * A genuine token in every disguise of RFC 8725 that is signed by anybody but the gateway, or by nobody. `jwks` is the
 * gateway's own, `listener` a URL that must never be asked for a key.
 */
export function forgeries(token: string, jwks: { keys: Record<string, unknown>[] }, listener: string) {
  const { header, payload, signature } = partsOf(token)
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const [published = {}] = jwks.keys
  const hmac = (key: string) => (input: string) => createHmac('sha256', key).update(input).digest()
  const nobody = () => Buffer.alloc(0)
  const mine = (more: Record<string, unknown>) =>
    signed({ ...header, ...more }, payload, ecdsa(own.privateKey))
  const genuine = (more: Record<string, unknown>) =>
    `${write({ ...header, ...more })}.${token.split('.')[1]}.${signature}`
  const jwk = own.publicKey.export({ format: 'jwk' })

  return {
    'no algorithm': signed({ ...header, alg: 'none' }, payload, nobody),
    'no algorithm in capitals': signed({ ...header, alg: 'NoNe' }, payload, nobody),
    'no signature': `${token.split('.').slice(0, 2).join('.')}.`,
    'no signature part': token.split('.').slice(0, 2).join('.'),
    'the public key as an HMAC secret': signed(
      { ...header, alg: 'HS256' },
      payload,
      hmac(JSON.stringify(published)),
    ),
    'one coordinate as an HMAC secret': signed(
      { ...header, alg: 'HS256' },
      payload,
      hmac(String(published.x)),
    ),
    'an RSA key': signed({ ...header, alg: 'RS256' }, payload, (input) =>
      sign('sha256', Buffer.from(input), rsa.privateKey),
    ),
    'another curve': signed({ ...header, alg: 'ES384' }, payload, (input) =>
      sign('sha384', Buffer.from(input), { key: p384.privateKey, dsaEncoding: 'ieee-p1363' }),
    ),
    'another key under the same kid': mine({}),
    'a key of its own in the header': mine({ jwk }),
    'a key set of its own': mine({ jku: listener }),
    'a certificate of its own': mine({ x5u: listener, x5c: ['AAAA'] }),
    'a critical extension': genuine({ crit: ['exp'], exp: 1 }),
    'an unencoded payload': genuine({ crit: ['b64'], b64: false }),
    'a kid that is a path': mine({ kid: '../../../../dev/null' }),
    'a kid that is SQL': mine({ kid: "' or 1=1--" }),
    'a kid that is a member of every object': mine({ kid: '__proto__' }),
    'a kid that is a list': mine({ kid: [header.kid] }),
    'a kid of 5 KB': mine({ kid: 'k'.repeat(5_000) }),
    'no kid': mine({ kid: undefined }),
    'another type': genuine({ typ: 'JWT' }),
    'no type': genuine({ typ: undefined }),
    'a header that is null': `${write(null)}.${token.split('.')[1]}.${signature}`,
    'a header that is no JSON': `AAAA.${token.split('.')[1]}.${signature}`,
    'a changed payload': `${token.split('.')[0]}.${write({ ...payload, sub: 'somebody' })}.${signature}`,
    'a payload that is a list': `${token.split('.')[0]}.${write([payload])}.${signature}`,
    'a signature of zeroes': `${token.split('.').slice(0, 2).join('.')}.${Buffer.alloc(64).toString('base64url')}`,
    'a signature in DER': signed(header, payload, (input) =>
      sign('sha256', Buffer.from(input), own.privateKey),
    ),
    'five parts': `${token}.${randomBytes(8).toString('base64url')}.${randomBytes(8).toString('base64url')}`,
    'a scheme before it': `Bearer ${token}`,
    '8 KB of text': 'a.'.repeat(4_000),
    nothing: '..',
  }
}

/** The same token with its signature spelled otherwise: (r, n - s) verifies wherever (r, s) does. */
export function twinOf(token: string): string {
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
  const [header, payload, signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
  const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')])
  return `${header}.${payload}.${twin.toString('base64url')}`
}
