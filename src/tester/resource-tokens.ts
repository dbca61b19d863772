import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { newId } from '../lib/secret.ts'

/** Tokens that say all the right things to an MCP server, and that its authorization server never signed. */
export type Forgeries = { unsigned: string; forged: string }

export async function forge(resource: string, issuer: string, now: number): Promise<Forgeries> {
  const claims = {
    iss: issuer,
    aud: resource,
    sub: 'coatcheck-test',
    client_id: 'coatcheck-test',
    jti: newId('coatcheck-test-'),
    iat: now,
    exp: now + 300,
  }
  const { privateKey } = await generateKeyPair('ES256')
  const header = { alg: 'ES256', typ: 'at+jwt', kid: newId('coatcheck-test-') }
  return {
    unsigned: new UnsecuredJWT(claims).encode(),
    forged: await new SignJWT(claims).setProtectedHeader(header).sign(privateKey),
  }
}
