import { CompactSign, type JWTPayload } from 'jose'
import type { GoogleClient, GoogleState, GoogleUser } from './state.ts'

/** One defect each; a relying party has to refuse every one of them but `missing-name`. */
export const idTokenFaults = [
  'none',
  'legacy-iss',
  'wrong-iss',
  'wrong-aud',
  'aud-array',
  'wrong-azp',
  'missing-nonce',
  'wrong-nonce',
  'missing-exp',
  'missing-iat',
  'missing-sub',
  'expired',
  'future-iat',
  'missing-name',
  'bad-signature',
  'unknown-kid',
  'alg-none',
  'hs256',
] as const

export type IdTokenFault = (typeof idTokenFaults)[number]

type Claims = Record<string, unknown>

/** What a fault changes in the claims; null leaves one out. */
function claimChanges(fault: IdTokenFault, client: GoogleClient, now: number): Claims {
  switch (fault) {
    case 'legacy-iss':
      return { iss: 'accounts.google.com' }
    case 'wrong-iss':
      return { iss: 'https://issuer.invalid' }
    case 'wrong-aud':
      return { aud: 'somebody-else.apps.googleusercontent.com' }
    case 'aud-array':
      return { aud: [client.clientId, 'somebody-else.apps.googleusercontent.com'], azp: null }
    case 'wrong-azp':
      return { azp: 'somebody-else.apps.googleusercontent.com' }
    case 'missing-nonce':
      return { nonce: null }
    case 'wrong-nonce':
      return { nonce: 'not-the-nonce-of-this-request' }
    case 'missing-exp':
      return { exp: null }
    case 'missing-iat':
      return { iat: null }
    case 'missing-sub':
      return { sub: null }
    case 'expired':
      return { iat: now - 3900, exp: now - 300 }
    case 'future-iat':
      return { iat: now + 3600, exp: now + 7200 }
    case 'missing-name':
      return { name: null }
    default:
      return {}
  }
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function withBrokenSignature(token: string): string {
  const [header, payload, signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  bytes[0] = (bytes[0] ?? 0) ^ 1
  return `${header}.${payload}.${bytes.toString('base64url')}`
}

async function sign(state: GoogleState, client: GoogleClient, claims: Claims): Promise<string> {
  const fault = state.switches.idTokenFault
  const { kid, privateKey } = state.keys.current()
  if (fault === 'alg-none') return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`
  const payload = new CompactSign(Buffer.from(JSON.stringify(claims)))
  if (fault === 'hs256') {
    return payload
      .setProtectedHeader({ alg: 'HS256', kid, typ: 'JWT' })
      .sign(Buffer.from(client.clientSecret))
  }
  const header = { alg: 'RS256', kid: fault === 'unknown-kid' ? state.core.ids.hex(40) : kid, typ: 'JWT' }
  const token = await payload.setProtectedHeader(header).sign(privateKey)
  return fault === 'bad-signature' ? withBrokenSignature(token) : token
}

function identityClaims(user: GoogleUser, scopes: string[]): Claims {
  const name = user.name === null ? {} : { name: user.name, given_name: user.name.split(' ')[0] }
  return {
    ...(scopes.some((scope) => scope.endsWith('userinfo.email'))
      ? { email: user.email, email_verified: user.emailVerified }
      : {}),
    ...(scopes.some((scope) => scope.endsWith('userinfo.profile')) ? name : {}),
  }
}

/** The claims userinfo shows of this user to a token with these scopes. */
export function userClaims(user: GoogleUser, scopes: string[]): Claims {
  return { sub: user.sub, ...(user.hd ? { hd: user.hd } : {}), ...identityClaims(user, scopes) }
}

/** An ID token of one hour, with the scripted defects. */
export async function issueIdToken(
  state: GoogleState,
  client: GoogleClient,
  user: GoogleUser,
  scopes: string[],
  nonce: string | undefined,
): Promise<string> {
  const now = state.core.clock.now()
  const { idTokenFault, idTokenClaims, idTokenTimes } = state.switches
  const proper: JWTPayload = {
    iss: state.issuer,
    azp: client.clientId,
    aud: client.clientId,
    ...userClaims(user, scopes),
    ...(nonce === undefined ? {} : { nonce }),
    iat: now,
    exp: now + 3600,
  }
  const times = Object.entries(idTokenTimes).map(([name, seconds]) => [name, now + seconds])
  const changed = {
    ...proper,
    ...claimChanges(idTokenFault, client, now),
    ...idTokenClaims,
    ...Object.fromEntries(times),
  }
  const claims = Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== null))
  const value = await sign(state, client, claims)
  state.core.issued.add({ kind: 'id_token', value, user: user.sub, clientId: client.clientId, at: now })
  return value
}
