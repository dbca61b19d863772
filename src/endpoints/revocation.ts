import type { FastifyInstance } from 'fastify'
import { aboutGrant, auditEvent } from '../audit/event.ts'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { authenticateCaller, callerParameters } from '../http/callers.ts'
import { allowAnyOrigin } from '../http/cors.ts'
import { acceptFormsOnly, formOf, refuseFaults } from '../http/form-body.ts'
import { answerOAuthError } from '../http/oauth-errors.ts'
import { countClient } from '../http/rates.ts'
import { grantOfToken } from '../http/token-grant.ts'

/**
 * `POST /oauth/revoke` (RFC 7009): ends the token session that a client's own token belongs to. Unknown tokens
 * and other clients' tokens are answered 200 and change nothing.
 */
export async function revocationEndpoint(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  acceptFormsOnly(scope)
  allowAnyOrigin(scope, ['/oauth/revoke'])
  scope.setErrorHandler(answerOAuthError)
  scope.post('/oauth/revoke', async (request, reply) => {
    const form = formOf(request)
    refuseFaults(form, ['token', 'token_type_hint', ...callerParameters])
    const caller = await authenticateCaller(gateway, request, form)
    if (caller.kind !== 'client')
      throw new OAuthError('unauthorized_client', 'Only clients revoke tokens here')
    countClient(gateway, request, caller.client)
    const token = form.values.get('token')
    if (token === undefined) throw new OAuthError('invalid_request', 'The parameter token is missing')

    const grant = await grantOfToken(gateway, token)
    if (grant?.clientId === caller.client.id) {
      const now = gateway.clock()
      const event = auditEvent(now, {
        event: 'grant.revoked',
        actor: `client:${caller.client.id}`,
        ...aboutGrant(grant),
      })
      await gateway.store.grants.revoke(grant.id, 'revoked_by_client', now, event)
    }
    return reply.header('cache-control', 'no-store').send()
  })
}
