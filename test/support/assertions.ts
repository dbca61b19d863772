import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

export type SigningParty = {
  jwk: Record<string, unknown>
  /** An assertion that is as it should be, but for what is said otherwise; `undefined` leaves a claim out. */
  assert(id: string, issuer: string, more?: AssertionParts): Promise<string>
}

export type AssertionParts = {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  now?: number
}

/** Somebody with a key pair. */
export async function newSigningParty(alg: string, now: () => number, kid?: string): Promise<SigningParty> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), ...(kid !== undefined && { kid }) }
  return {
    jwk,
    async assert(id, issuer, { claims = {}, header = {} } = {}) {
      const at = now()
      const payload = { iss: id, sub: id, aud: issuer, jti: randomUUID(), iat: at, exp: at + 60, ...claims }
      return await new SignJWT(payload as JWTPayload)
        .setProtectedHeader({ alg, ...(kid !== undefined && { kid }), ...header })
        .sign(privateKey)
    },
  }
}

export const assertionForm = (assertion: string) => ({
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  client_assertion: assertion,
})
