import {
  createCipheriv,
  createDecipheriv,
  createHash,
  generateKeyPairSync,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import { resourceUri } from '../seed.ts'

/** The cryptography of the floor server, by node:crypto alone. */

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const kid = randomBytes(8).toString('hex')
const dataKey = randomBytes(32)
const header = Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid })).toString('base64url')

export const accessLifetime = 3600

export type Claims = Record<'iss' | 'sub' | 'aud' | 'client_id' | 'scope' | 'jti' | 'tsid', string> & {
  iat: number
  exp: number
}

export const publicJwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' }

export function mint(claims: Omit<Claims, 'aud' | 'jti' | 'iat' | 'exp'>, now: number): string {
  const jti = randomBytes(16).toString('base64url')
  const all: Claims = { ...claims, aud: resourceUri, jti, iat: now, exp: now + accessLifetime }
  const signed = `${header}.${Buffer.from(JSON.stringify(all)).toString('base64url')}`
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

/** The claims of a token of ours for this audience that has not ended. */
export function claimsOf(token: string, issuer: string, audience: string, now: number): Claims | undefined {
  const [head = '', body = '', signature = '', ...rest] = token.split('.')
  if (rest.length > 0) return undefined
  const { alg, typ, kid: named } = JSON.parse(String(Buffer.from(head, 'base64url')))
  if (alg !== 'ES256' || typ !== 'at+jwt' || named !== kid) return undefined
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
  if (!verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url')))
    return undefined
  const claims: Claims = JSON.parse(String(Buffer.from(body, 'base64url')))
  return claims.iss === issuer && claims.aud === audience && claims.exp > now ? claims : undefined
}

export const digest = (value: string): Buffer => createHash('sha256').update(value).digest()

export const isSecret = (presented: string, hash: Buffer): boolean => timingSafeEqual(digest(presented), hash)

export function seal(plaintext: string, row: string): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', dataKey, nonce).setAAD(Buffer.from(row))
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

export function open(sealed: Buffer, row: string): string {
  const decipher = createDecipheriv('aes-256-gcm', dataKey, sealed.subarray(0, 12)).setAAD(Buffer.from(row))
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString()
}
