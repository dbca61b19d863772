import type { Gateway } from '../gateway.ts'
import { sha256 } from '../lib/secret.ts'
import type { ConnectedGrant } from '../storage/connected-grants.ts'
import type { AccessTokenClaims } from '../tokens/access-token.ts'
import { isRefreshToken } from '../tokens/refresh-token.ts'

/** The grant an access token of ours was issued for: its `jti` names it. */
export async function grantOfClaims(
  gateway: Gateway,
  claims: AccessTokenClaims,
): Promise<ConnectedGrant | undefined> {
  const [grantId = ''] = claims.jti.split('.')
  return await gateway.store.grants.find(grantId)
}

/** The grant a refresh or access token belongs to; the token's own form tells which it is, whatever the hint says. */
export async function grantOfToken(gateway: Gateway, token: string): Promise<ConnectedGrant | undefined> {
  if (isRefreshToken(token)) return (await gateway.store.refreshTokens.find(sha256(token)))?.grant
  const claims = await gateway.verifyAccessToken(token)
  return claims && (await grantOfClaims(gateway, claims))
}
