import { metadataUrl } from './resource.ts'
import { scopesOf } from './scope.ts'
import type { Claims, ValidToken } from './token.ts'

/** What a tool learns of its caller: the official SDK's `AuthInfo`, with `extra` filled. */
export type AuthInfo = {
  token: string
  clientId: string
  scopes: string[]
  /** Epoch seconds. */
  expiresAt: number
  resource: URL
  /** Where challenges of the official SDK 2.x send clients; of no meaning to 1.x. */
  resourceMetadataUrl: string
  extra: {
    subject: string
    issuer: string
    /** Everything the token or its introspection says. */
    claims: Claims
    /** Coatcheck's ticket for upstream tokens. */
    tsid?: string
    [name: string]: unknown
  }
}

export function authInfoOf(token: string, { claims, issuer }: ValidToken, resource: string): AuthInfo {
  const { sub = '', exp = 0, client_id, azp, tsid } = claims
  return {
    token,
    // `azp` is what OpenID Providers say that came before RFC 9068.
    clientId: [client_id, azp].find((value) => typeof value === 'string') ?? '',
    scopes: scopesOf(claims),
    expiresAt: exp,
    resource: new URL(resource),
    resourceMetadataUrl: metadataUrl(resource),
    extra: { subject: sub, issuer, claims, ...(typeof tsid === 'string' ? { tsid } : {}) },
  }
}
