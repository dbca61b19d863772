import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { invalid } from '../../http/problems.ts'
import { newId } from '../../lib/secret.ts'
import { scopeFaults } from '../../policy/references.ts'
import { roleSchema } from '../../policy/role.ts'
import type { RoleDocument } from '../../storage/documents.ts'
import type { Role } from '../../storage/roles.ts'
import { conflict, listOf, notFound, overtaken, time } from './answer.ts'
import { byGivenId, byNameInResource } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { getResource } from './resources.ts'
import { created, ok, type Route, route } from './route.ts'

const roleView = z
  .strictObject({ name: z.string(), ...roleSchema.shape, created_at: time, updated_at: time })
  .meta({ id: 'Role' })

export function roleRoutes(gateway: Gateway): Route[] {
  const { roles } = gateway.store
  return [
    route({
      method: 'GET',
      path: '/resources/{id}/roles',
      role: 'read',
      operationId: 'listRoles',
      summary: 'List the roles people may have at a resource',
      params: byGivenId,
      answers: { 200: listOf(roleView) },
      problems: ['not_found'],
      handle: async ({ params }) => {
        const { id } = await getResource(gateway, params.id)
        return ok({ items: (await roles.list(id)).map(viewOf) })
      },
    }),

    route({
      method: 'GET',
      path: '/resources/{id}/roles/{name}',
      role: 'read',
      operationId: 'getRole',
      summary: 'Show one role of a resource',
      params: byNameInResource,
      answers: { 200: roleView },
      problems: ['not_found'],
      handle: async ({ params: { id, name } }) => ok(viewOf(await getRole(gateway, id, name))),
    }),

    route({
      method: 'PUT',
      path: '/resources/{id}/roles/{name}',
      role: 'write',
      operationId: 'saveRole',
      summary: 'Create or replace a role; who holds it has what it gives from then on',
      params: byNameInResource,
      body: roleSchema,
      answers: { 200: roleView, 201: roleView },
      problems: ['not_found', 'overtaken', 'conflict'],
      handle: async ({ params: { id: resourceId, name }, body, by: { actor, now } }) => {
        const faults = scopeFaults(body.scopes, await getResource(gateway, resourceId), '/scopes')
        if (faults.length > 0) throw invalid(faults)
        if (body.administrator && (await isEveryones(gateway, resourceId, name))) {
          throw conflict([{ pointer: '/administrator', message: 'everyone is bound to it' }])
        }
        const before = await roles.find(resourceId, name)
        const document: RoleDocument = JSON.parse(JSON.stringify(body))
        const detail = { role: name, ...(before && { before: before.document }), after: document }
        const saved = await roles.save(
          { id: newId('role_'), resourceId, name, document, createdAt: now, updatedAt: now },
          auditEvent(now, { event: 'role.saved', actor, resourceId, detail }),
        )
        if (!saved) throw overtaken()
        return before ? ok(viewOf(saved)) : created(viewOf(saved))
      },
    }),

    route({
      method: 'DELETE',
      path: '/resources/{id}/roles/{name}',
      role: 'write',
      operationId: 'deleteRole',
      summary: 'Delete a role that nobody is bound to',
      params: byNameInResource,
      answers: { 200: receiptSchema },
      problems: ['not_found', 'conflict'],
      handle: async ({ params: { id: resourceId, name }, by: { actor, now } }) => {
        const { id, document: before } = await getRole(gateway, resourceId, name)
        const detail = { role: name, before }
        const event = auditEvent(now, { event: 'role.deleted', actor, resourceId, detail })
        if (!(await roles.delete(id, event))) {
          throw conflict([{ pointer: '', message: 'somebody is bound to it' }])
        }
        return receipt({ role: name })
      },
    }),
  ]
}

async function getRole(gateway: Gateway, resourceId: string, name: string): Promise<Role> {
  await getResource(gateway, resourceId)
  const role = await gateway.store.roles.find(resourceId, name)
  if (!role) throw notFound('role')
  return role
}

async function isEveryones({ store }: Gateway, resourceId: string, name: string): Promise<boolean> {
  const bound = await store.roles.listBindings(resourceId)
  return bound.some(({ binding, role }) => role.name === name && binding.holder === 'everyone')
}

function viewOf({ name, document, createdAt, updatedAt }: Role) {
  return { name, ...document, created_at: createdAt, updated_at: updatedAt }
}
