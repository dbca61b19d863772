import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import { newResourceCredentialId } from '../../clients/ids.ts'
import { keySetSchema, readKeySet } from '../../clients/key-set.ts'
import { webUriFault } from '../../clients/registrable-uri.ts'
import type { Gateway } from '../../gateway.ts'
import { newSecret, sha256 } from '../../lib/secret.ts'
import type { ResourceCredential } from '../../storage/resources.ts'
import { listOf, notFound, time } from './answer.ts'
import { byGivenId, givenId } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { getResource } from './resources.ts'
import { created, ok, type Route, route } from './route.ts'

const newCredential = z
  .strictObject({
    jwks: z.unknown().optional().describe('A set of public keys (RFC 7517) it signs assertions with'),
    jwks_uri: z.string().optional().describe('Where such a set is; with neither, a secret is made'),
  })
  .prefault({})
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

const credentialView = z
  .strictObject({
    client_id: z.string(),
    created_at: time,
    jwks: keySetSchema.optional(),
    jwks_uri: z.string().optional(),
  })
  .meta({ id: 'ResourceCredential' })

const newCredentialView = credentialView
  .extend({ client_secret: z.string().optional().describe('In this one answer') })
  .meta({ id: 'NewResourceCredential' })

export function resourceCredentialRoutes(gateway: Gateway): Route[] {
  const { resources } = gateway.store
  return [
    route({
      method: 'GET',
      path: '/resources/{id}/credentials',
      role: 'read',
      operationId: 'listResourceCredentials',
      summary: 'List what a resource may authenticate with',
      params: byGivenId,
      answers: { 200: listOf(credentialView) },
      problems: ['not_found'],
      handle: async ({ params }) => {
        const { id } = await getResource(gateway, params.id)
        return ok({ items: (await resources.listCredentials(id)).map(viewOf) })
      },
    }),

    route({
      method: 'POST',
      path: '/resources/{id}/credentials',
      role: 'write',
      operationId: 'createResourceCredential',
      summary: 'Make a credential for a resource; its secret is in this one answer',
      params: byGivenId,
      body: newCredential,
      answers: { 201: newCredentialView },
      problems: ['not_found'],
      handle: async ({ params, body: { keySet, keySetUri }, by: { actor, now } }) => {
        const { id: resourceId } = await getResource(gateway, params.id)
        const secret = keySet === null && keySetUri === null ? newSecret('cc_secret_') : undefined
        const credential: ResourceCredential = {
          id: newResourceCredentialId(),
          resourceId,
          secretHash: secret === undefined ? null : sha256(secret),
          keySet,
          keySetUri,
          createdAt: now,
        }
        const detail = { credential: credential.id }
        await resources.createCredential(
          credential,
          auditEvent(now, { event: 'resource_credential.created', actor, resourceId, detail }),
        )
        return created({ ...viewOf(credential), client_secret: secret })
      },
    }),

    route({
      method: 'DELETE',
      path: '/resources/{id}/credentials/{credential}',
      role: 'write',
      operationId: 'deleteResourceCredential',
      summary: 'Delete a credential of a resource',
      params: z.strictObject({ id: givenId, credential: z.string().min(1).max(200) }),
      answers: { 200: receiptSchema },
      problems: ['not_found'],
      handle: async ({ params: { id: resourceId, credential }, by: { actor, now } }) => {
        const deleted = await resources.deleteCredential(
          { id: credential, resourceId },
          auditEvent(now, {
            event: 'resource_credential.deleted',
            actor,
            resourceId,
            detail: { credential },
          }),
        )
        if (!deleted) throw notFound('credential')
        return receipt({ resource_credential: credential })
      },
    }),
  ]
}

function viewOf({ id, createdAt, keySet, keySetUri }: ResourceCredential) {
  return {
    client_id: id,
    created_at: createdAt,
    ...(keySet !== null && { jwks: keySet }),
    ...(keySetUri !== null && { jwks_uri: keySetUri }),
  }
}
