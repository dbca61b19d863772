import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../gateway.ts'
import type { UserToken } from '../grants/open-session.ts'

/** What a resource sent of the person's access token; only one for that resource's own audience counts. */
export async function readUserToken(
  gateway: Gateway,
  token: string | undefined,
  audience: string,
): Promise<UserToken> {
  if (token === undefined) return { sent: 'none' }
  const claims = await gateway.verifyAccessToken(token, audience)
  return claims ? { sent: 'valid', claims } : { sent: 'invalid' }
}

/** The person's access token beside the credential of the resource that calls. */
export async function userTokenIn(
  gateway: Gateway,
  request: FastifyRequest,
  audience: string,
): Promise<UserToken> {
  return await readUserToken(gateway, userTokenText(request), audience)
}

export function userTokenText({ headers }: FastifyRequest): string | undefined {
  const header = headers['coatcheck-user-token']
  return typeof header === 'string' ? header : undefined
}
