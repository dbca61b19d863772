import type { FastifyInstance } from 'fastify'
import { auditEvent } from '../audit/event.ts'
import { newClientId } from '../clients/ids.ts'
import { keepsSecret, readClientMetadata, registrationAnswer } from '../clients/metadata.ts'
import type { Gateway } from '../gateway.ts'
import { allowAnyOrigin } from '../http/cors.ts'
import { answerOAuthError } from '../http/oauth-errors.ts'
import { newSecret, sha256 } from '../lib/secret.ts'
import type { Client } from '../storage/clients.ts'

/**
 * `POST /oauth/register` (RFC 7591), open to everybody. What registers itself is never trusted: people see its
 * name marked unverified, and one that nobody uses is forgotten within a day.
 */
export async function registrationEndpoint(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  allowAnyOrigin(scope, ['/oauth/register'])
  scope.setErrorHandler(answerOAuthError)
  scope.post('/oauth/register', async (request, reply) => {
    const now = gateway.clock()
    const metadata = readClientMetadata(request.body)
    const secret = keepsSecret(metadata) ? newSecret('cc_secret_') : undefined
    const client: Client = {
      id: newClientId(),
      origin: 'dynamic',
      metadata,
      secretHash: secret === undefined ? null : sha256(secret),
      trusted: false,
      enabled: true,
      createdAt: now,
      lastUsedAt: null,
      freshUntil: null,
      expiresAt: now + gateway.config.lifetimes.unused_client,
    }
    await gateway.store.clients.create(
      client,
      auditEvent(now, { event: 'client.registered', actor: `client:${client.id}`, clientId: client.id }),
    )
    return reply.code(201).header('cache-control', 'no-store').send(registrationAnswer(client, secret))
  })
}
