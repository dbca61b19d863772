import type { FastifyInstance } from 'fastify'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { grantStanding } from '../grants/standing.ts'
import { authenticateCaller, callerParameters } from '../http/callers.ts'
import { acceptFormsOnly, formOf, refuseFaults } from '../http/form-body.ts'
import { answerOAuthError } from '../http/oauth-errors.ts'
import { countRequest } from '../http/rates.ts'
import { grantOfClaims } from '../http/token-grant.ts'
import { scopesStill } from '../policy/tool-policy.ts'
import type { AccessTokenClaims } from '../tokens/access-token.ts'
import { isProbe } from '../tokens/probe-token.ts'
import { formatScope } from '../tokens/scope.ts'

/**
 * `POST /oauth/introspect` (RFC 7662), for resources and their own audience only. Whatever is not a live access
 * token for the asking resource is exactly `{"active": false}`.
 */
export async function introspectionEndpoint(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  acceptFormsOnly(scope)
  scope.setErrorHandler(answerOAuthError)
  scope.post('/oauth/introspect', async (request, reply) => {
    const form = formOf(request)
    refuseFaults(form, ['token', 'token_type_hint', ...callerParameters])
    const caller = await authenticateCaller(gateway, request, form)
    if (caller.kind !== 'resource') {
      throw new OAuthError('unauthorized_client', 'Only resources may introspect tokens')
    }
    countRequest(gateway, ['introspections_per_resource', caller.resource.id])
    const token = form.values.get('token')
    if (token === undefined) throw new OAuthError('invalid_request', 'The parameter token is missing')
    const claims = await liveClaims(gateway, token, caller.resource.uri)
    return reply.header('cache-control', 'no-store').send(claims ? introspected(claims) : { active: false })
  })
}

async function liveClaims(
  gateway: Gateway,
  token: string,
  audience: string,
): Promise<AccessTokenClaims | undefined> {
  const claims = await gateway.verifyAccessToken(token, audience)
  if (!claims || isProbe(claims)) return claims
  const grant = await grantOfClaims(gateway, claims)
  const standing = grant && (await grantStanding(gateway, grant, gateway.clock()))
  if (!standing?.stands) return undefined
  const { resource } = standing
  const { subject: subjectId, scopes } = claims
  return { ...claims, scopes: await scopesStill(gateway, { resource, subjectId }, scopes) }
}

function introspected(claims: AccessTokenClaims) {
  return {
    active: true,
    sub: claims.subject,
    client_id: claims.clientId,
    scope: formatScope(claims.scopes),
    aud: claims.audience,
    iss: claims.issuer,
    exp: claims.expiresAt,
    iat: claims.issuedAt,
    jti: claims.jti,
    ...(claims.tsid === undefined ? {} : { tsid: claims.tsid }),
    ...(claims.act === undefined ? {} : { act: claims.act }),
    token_type: 'Bearer',
  }
}
