import { importJWK, SignJWT } from 'jose'
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
  if ('secret' in credential) {
    const pair = `${encodeURIComponent(credential.id)}:${encodeURIComponent(credential.secret)}`
    return { headers: { authorization: `Basic ${btoa(pair)}` }, form: {} }
  }
  const { id, key } = credential
  const { alg = 'ES256', kid } = key
  const assertion = await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .setIssuer(id)
    .setSubject(id)
    .setAudience(issuer)
    .setIssuedAt(now)
    .setExpirationTime(now + assertionLifetime)
    .sign(await importJWK(key, alg))
  return {
    headers: {},
    form: {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    },
  }
}
