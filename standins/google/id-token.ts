import { CompactSign } from 'jose'
import type { Owner } from '../kit/issued.ts'
import { claimChanges } from './id-token-faults.ts'
import { scopeUrl } from './scopes.ts'
import type { GoogleState, GoogleUser } from './state.ts'

type Claims = Record<string, unknown>

/** What a token with these scopes may know of its user, at userinfo and in the ID token alike. */
export function userClaims(user: GoogleUser, scopes: string[]): Claims {
  const email = { email: user.email, email_verified: user.emailVerified }
  const name = user.name === null ? {} : { name: user.name, given_name: user.name.split(' ')[0] }
  return {
    sub: user.sub,
    ...(user.hd === undefined ? {} : { hd: user.hd }),
    ...(scopes.includes(scopeUrl('userinfo.email')) ? email : {}),
    ...(scopes.includes(scopeUrl('userinfo.profile')) ? name : {}),
  }
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function withBrokenSignature(token: string): string {
  const [header, payload, signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
  return `${header}.${payload}.${bytes.toString('base64url')}`
}

async function sign(state: GoogleState, clientId: string, claims: Claims): Promise<string> {
  const { kid, pair } = state.keys.current()
  const payload = new CompactSign(Buffer.from(JSON.stringify(claims)))
  const withKid = (id: string) =>
    payload.setProtectedHeader({ alg: 'RS256', kid: id, typ: 'JWT' }).sign(pair.privateKey)
  switch (state.switches.idTokenFault) {
    case 'alg-none':
      return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`
    case 'hs256': {
      const secret = Buffer.from(state.clients.get(clientId)?.clientSecret ?? '')
      return payload.setProtectedHeader({ alg: 'HS256', kid, typ: 'JWT' }).sign(secret)
    }
    case 'unknown-kid':
      return withKid(state.core.ids.hex(40))
    case 'bad-signature':
      return withBrokenSignature(await withKid(kid))
    default:
      return withKid(kid)
  }
}

/** An ID token of one hour, with the scripted defects. */
export async function issueIdToken(
  state: GoogleState,
  owner: Owner,
  scopes: string[],
  nonce: string | undefined,
): Promise<string> {
  const now = state.core.clock.now()
  const { idTokenFault, idTokenClaims, idTokenTimes } = state.switches
  const times = Object.entries(idTokenTimes).map(([name, seconds]) => [name, now + seconds])
  const claims: Claims = {
    iss: state.issuer,
    azp: owner.clientId,
    aud: owner.clientId,
    ...userClaims(state.users.get(owner.user), scopes),
    nonce: nonce ?? null,
    iat: now,
    exp: now + 3600,
    ...claimChanges(idTokenFault, owner.clientId, now),
    ...idTokenClaims,
    ...Object.fromEntries(times),
  }
  const present = Object.entries(claims).filter(([, value]) => value !== null)
  const value = await sign(state, owner.clientId, Object.fromEntries(present))
  state.core.issued.add('id_token', value, owner)
  return value
}
