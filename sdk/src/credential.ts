import { importJWK, type JWK, SignJWT } from 'jose'
import type { Credential } from './settings.ts'

/** What a request to the authorization server carries to say who asks. */
export type CredentialRequest = {
  readonly headers: Readonly<Record<string, string>>
  readonly form: Readonly<Record<string, string>>
}

const assertionLifetime = 60

/** HTTP Basic (RFC 6749 section 2.3.1), or a signed assertion for the issuer (RFC 7523 section 2.2). */
export async function credentialRequest(
  credential: Credential,
  issuer: string,
  now: number,
): Promise<CredentialRequest> {
  if ('secret' in credential) return { headers: { authorization: basic(credential) }, form: {} }
  return {
    headers: {},
    form: {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(credential, issuer, now),
    },
  }
}

/** The same where there is no form: Coatcheck takes an assertion as a bearer token there. */
export async function credentialHeader(credential: Credential, issuer: string, now: number): Promise<string> {
  return 'secret' in credential ? basic(credential) : `Bearer ${await assertion(credential, issuer, now)}`
}

const basic = ({ id, secret }: { readonly id: string; readonly secret: string }): string =>
  `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`

async function assertion(
  { id, key }: { readonly id: string; readonly key: JWK },
  issuer: string,
  now: number,
): Promise<string> {
  const { alg = 'ES256', kid } = key
  return await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .setIssuer(id)
    .setSubject(id)
    .setAudience(issuer)
    .setIssuedAt(now)
    .setExpirationTime(now + assertionLifetime)
    .sign(await importJWK(key, alg))
}
