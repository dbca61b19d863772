import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import { resourceDefinitionSchema } from '../../clients/resource-definition.ts'
import {
  describedResource,
  type ResourceRegistration,
  saveResource,
} from '../../clients/resource-registration.ts'
import type { Gateway } from '../../gateway.ts'
import type { Resource } from '../../storage/resources.ts'
import { onOffer } from '../../upstream/provider-registration.ts'
import { listOf, notFound, origin, readOnly, saveAnswer, time } from './answer.ts'
import { byGivenId } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { ok, type Route, route } from './route.ts'

const resourceView = z
  .strictObject({
    id: z.string(),
    origin,
    ...resourceDefinitionSchema.shape,
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Resource' })

export function resourceRoutes(gateway: Gateway): Route[] {
  const { resources, removals } = gateway.store
  return [
    route({
      method: 'GET',
      path: '/resources',
      role: 'read',
      operationId: 'listResources',
      summary: 'List the resources, which are MCP servers',
      answers: { 200: listOf(resourceView) },
      handle: async () => ok({ items: (await resources.list()).map(viewOf) }),
    }),

    route({
      method: 'GET',
      path: '/resources/{id}',
      role: 'read',
      operationId: 'getResource',
      summary: 'Show one resource',
      params: byGivenId,
      answers: { 200: resourceView },
      problems: ['not_found'],
      handle: async ({ params }) => ok(viewOf(await getResource(gateway, params.id))),
    }),

    route({
      method: 'PUT',
      path: '/resources/{id}',
      role: 'write',
      operationId: 'saveResource',
      summary: 'Create or replace a resource',
      params: byGivenId,
      body: resourceDefinitionSchema,
      answers: { 200: resourceView, 201: resourceView },
      problems: ['read_only', 'conflict'],
      handle: async ({ params, body, by }) =>
        saveAnswer(await saveResource(registrationIn(gateway), params.id, body, by), viewOf),
    }),

    route({
      method: 'DELETE',
      path: '/resources/{id}',
      role: 'write',
      operationId: 'deleteResource',
      summary: 'Delete a resource with its credentials and consents, and end its token sessions',
      params: byGivenId,
      answers: { 200: receiptSchema },
      problems: ['not_found', 'read_only'],
      handle: async ({ params, by: { actor, now } }) => {
        const row = await getResource(gateway, params.id)
        if (isDeclared(gateway, row)) throw readOnly()
        const detail = { before: describedResource(row) }
        const event = auditEvent(now, { event: 'resource.deleted', actor, resourceId: row.id, detail })
        const removed = await removals.resource(row.id, now, event)
        if (!removed) throw notFound('resource')
        return receipt({ resource: row.id }, removed)
      },
    }),
  ]
}

export async function getResource({ store }: Pick<Gateway, 'store'>, id: string): Promise<Resource> {
  const row = await store.resources.find(id)
  if (!row) throw notFound('resource')
  return row
}

function registrationIn({ store, config, providers }: Gateway): ResourceRegistration {
  const { issuer, issuerIsLoopback } = config
  const findProvider = async (id: string) => {
    const provider = await providers.find(id)
    return provider && onOffer(provider)
  }
  return { store, rules: { issuer, issuerIsLoopback, findProvider } }
}

/** One that the file no longer declares is disabled, and may be deleted here. */
function isDeclared({ config }: Gateway, { id, origin: from }: Resource): boolean {
  return from === 'config' && Object.hasOwn(config.declarations.resources, id)
}

function viewOf(row: Resource) {
  const { id, origin: from, createdAt, updatedAt } = row
  return { id, origin: from, ...describedResource(row), created_at: createdAt, updated_at: updatedAt }
}
