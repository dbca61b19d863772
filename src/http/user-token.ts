import type { Gateway } from '../gateway.ts'
import type { UserToken } from '../grants/open-session.ts'
import { verifyAccessToken } from '../tokens/access-token.ts'

/** What a resource sent of the person's access token; only one for that resource's own audience counts. */
export async function readUserToken(
  gateway: Gateway,
  token: string | undefined,
  audience: string,
): Promise<UserToken> {
  if (token === undefined) return { sent: 'none' }
  const claims = await verifyAccessToken(token, {
    keys: await gateway.signingKeys.verificationKeys(),
    issuer: gateway.config.issuer,
    audience,
    now: gateway.clock(),
  })
  return claims ? { sent: 'valid', claims } : { sent: 'invalid' }
}
