import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import { newResourceCredentialId } from '../../clients/ids.ts'
import { readKeySet } from '../../clients/key-set.ts'
import { webUriFault } from '../../clients/registrable-uri.ts'
import type { Gateway } from '../../gateway.ts'
import { accept } from '../../http/problems.ts'
import { registeredIdPattern } from '../../lib/registered-id.ts'
import { newSecret, sha256 } from '../../lib/secret.ts'
import type { ResourceCredential } from '../../storage/resources.ts'
import { authorOf } from './authenticate.ts'
import { givenIdOf } from './input.ts'
import { notFound, receipt } from './receipt.ts'
import { getResource } from './resources.ts'

/** With neither, a secret is made for it. */
const newCredential = z
  .strictObject({ jwks: z.unknown().optional(), jwks_uri: z.string().optional() })
  .transform(({ jwks, jwks_uri: keySetUri = null }, context) => {
    const refuse = (member: string, message: string) =>
      context.addIssue({ code: 'custom', path: [member], message })
    const keySet = jwks === undefined ? null : (readKeySet(jwks) ?? null)
    const fault = keySetUri === null ? undefined : webUriFault(keySetUri)
    if (jwks !== undefined && keySet === null) refuse('jwks', 'holds no public key that is used here')
    if (fault !== undefined) refuse('jwks_uri', fault)
    if (jwks !== undefined && keySetUri !== null) refuse('jwks_uri', 'is one way too many beside jwks')
    return { keySet, keySetUri }
  })

export function resourceCredentialRoutes(api: FastifyInstance, gateway: Gateway): void {
  const { resources } = gateway.store

  api.get('/resources/:id/credentials', async (request) => {
    const resource = await getResource(gateway, givenIdOf(request))
    return { items: (await resources.listCredentials(resource.id)).map(viewOf) }
  })

  api.post('/resources/:id/credentials', async (request, reply) => {
    const resource = await getResource(gateway, givenIdOf(request))
    const { keySet, keySetUri } = accept(newCredential, request.body ?? {})
    const { actor, now } = authorOf(gateway, request)
    const secret = keySet === null && keySetUri === null ? newSecret('cc_secret_') : undefined
    const credential: ResourceCredential = {
      id: newResourceCredentialId(),
      resourceId: resource.id,
      secretHash: secret === undefined ? null : sha256(secret),
      keySet,
      keySetUri,
      createdAt: now,
    }
    const detail = { credential: credential.id }
    await resources.createCredential(
      credential,
      auditEvent(now, { event: 'resource_credential.created', actor, resourceId: resource.id, detail }),
    )
    return reply.code(201).send({ ...viewOf(credential), client_secret: secret })
  })

  api.delete('/resources/:id/credentials/:credential', async (request) => {
    const { id: resourceId, credential } = credentialOf(request)
    const { actor, now } = authorOf(gateway, request)
    const detail = { credential }
    const deleted = await resources.deleteCredential(
      { id: credential, resourceId },
      auditEvent(now, { event: 'resource_credential.deleted', actor, resourceId, detail }),
    )
    if (!deleted) throw notFound('credential')
    return receipt({ resource_credential: credential }, { tokenSessionsEnded: 0, connectionsDeleted: [] })
  })
}

function credentialOf(request: FastifyRequest): { id: string; credential: string } {
  const params = z.strictObject({
    id: z.string().regex(registeredIdPattern, 'is not an id'),
    credential: z.string().min(1).max(200),
  })
  return accept(params, request.params)
}

function viewOf({ id, createdAt, keySet, keySetUri }: ResourceCredential) {
  return {
    client_id: id,
    created_at: createdAt,
    ...(keySet !== null && { jwks: keySet }),
    ...(keySetUri !== null && { jwks_uri: keySetUri }),
  }
}
