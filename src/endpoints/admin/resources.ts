import type { FastifyInstance } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import { resourceDefinitionSchema } from '../../clients/resource-definition.ts'
import {
  describedResource,
  type ResourceRegistration,
  saveResource,
} from '../../clients/resource-registration.ts'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { accept, invalid } from '../../http/problems.ts'
import type { Resource } from '../../storage/resources.ts'
import { onOffer } from '../../upstream/provider-registration.ts'
import { authorOf } from './authenticate.ts'
import { givenIdOf, noQuery } from './input.ts'
import { notFound, readOnly, receipt } from './receipt.ts'

export function resourceRoutes(api: FastifyInstance, gateway: Gateway): void {
  api.get('/resources', async (request) => {
    accept(noQuery, request.query)
    return { items: (await gateway.store.resources.list()).map(viewOf) }
  })

  api.get('/resources/:id', async (request) => viewOf(await getResource(gateway, givenIdOf(request))))

  api.put('/resources/:id', async (request, reply) => {
    const id = givenIdOf(request)
    const definition = accept(resourceDefinitionSchema, request.body)
    const saved = await saveResource(registrationIn(gateway), id, definition, authorOf(gateway, request))
    switch (saved.outcome) {
      case 'saved':
        return reply.code(saved.created ? 201 : 200).send(viewOf(saved.row))
      case 'unchanged':
        return viewOf(saved.row)
      case 'refused':
        throw invalid(saved.errors)
      case 'conflict':
        throw new Problem(409, 'conflict', 'The resource would be in the way of what there is', saved)
      case 'read_only':
        throw readOnly()
    }
  })

  api.delete('/resources/:id', async (request) => {
    const row = await getResource(gateway, givenIdOf(request))
    if (isDeclared(gateway, row)) throw readOnly()
    const { actor, now } = authorOf(gateway, request)
    const event = auditEvent(now, {
      event: 'resource.deleted',
      actor,
      resourceId: row.id,
      detail: { before: describedResource(row) },
    })
    const removed = await gateway.store.removals.resource(row.id, now, event)
    if (!removed) throw notFound('resource')
    return receipt({ resource: row.id }, removed)
  })
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
function isDeclared({ config }: Gateway, { id, origin }: Resource): boolean {
  return origin === 'config' && Object.hasOwn(config.declarations.resources, id)
}

function viewOf(row: Resource) {
  const { id, origin, createdAt, updatedAt } = row
  return { id, origin, ...describedResource(row), created_at: createdAt, updated_at: updatedAt }
}
