import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { ProblemField } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { invalid } from '../../http/problems.ts'
import { newOrderedId } from '../../lib/ordered-id.ts'
import { conditionsSchema } from '../../policy/conditions.ts'
import { conditionFaults } from '../../policy/references.ts'
import { bindingSchema, holderSchema } from '../../policy/role.ts'
import type { Conditions } from '../../storage/documents.ts'
import type { Binding, Role } from '../../storage/roles.ts'
import { listOf, notFound, overtaken, time } from './answer.ts'
import { byGivenId, byIdInResource } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { getResource } from './resources.ts'
import { created, ok, type Route, route } from './route.ts'

const bindingView = z
  .strictObject({
    id: z.string(),
    role: z.string(),
    holder: holderSchema,
    conditions: conditionsSchema,
    expires_at: time.nullable().describe('From then on it gives nothing; null: for good'),
    created_at: time,
    created_by: z.string(),
  })
  .meta({ id: 'Binding' })

type Wish = z.output<typeof bindingSchema>

export function bindingRoutes(gateway: Gateway): Route[] {
  const { roles } = gateway.store
  return [
    route({
      method: 'GET',
      path: '/resources/{id}/bindings',
      role: 'read',
      operationId: 'listBindings',
      summary: 'List who has which role at a resource, and under what conditions',
      params: byGivenId,
      answers: { 200: listOf(bindingView) },
      problems: ['not_found'],
      handle: async ({ params }) => {
        const { id } = await getResource(gateway, params.id)
        const bound = await roles.listBindings(id)
        return ok({ items: bound.map(({ binding, role }) => viewOf(binding, role.name)) })
      },
    }),

    route({
      method: 'POST',
      path: '/resources/{id}/bindings',
      role: 'write',
      operationId: 'createBinding',
      summary: 'Give somebody a role at a resource',
      params: byGivenId,
      body: bindingSchema,
      answers: { 201: bindingView },
      problems: ['not_found', 'overtaken'],
      handle: async ({ params, body, by: { actor, now } }) => {
        const { id: resourceId } = await getResource(gateway, params.id)
        const role = await roles.find(resourceId, body.role)
        const faults = [
          ...roleFaults(role, body.holder),
          ...(await faultsOf(gateway, body, { resourceId, now })),
        ]
        if (!role || faults.length > 0) throw invalid(faults)
        const binding = rowOf(body, { resourceId, roleId: role.id, createdAt: now, createdBy: actor })
        const view = viewOf(binding, role.name)
        const event = auditEvent(now, {
          ...about(binding, actor),
          event: 'binding.created',
          detail: { after: view },
        })
        if (!(await roles.createBinding(binding, event))) throw overtaken()
        return created(view)
      },
    }),

    route({
      method: 'DELETE',
      path: '/resources/{id}/bindings/{item}',
      role: 'write',
      operationId: 'deleteBinding',
      summary: 'Take a role from whom a binding gave it',
      params: byIdInResource,
      answers: { 200: receiptSchema },
      problems: ['not_found'],
      handle: async ({ params: { id: resourceId, item }, by: { actor, now } }) => {
        const bound = (await roles.listBindings(resourceId)).find(({ binding }) => binding.id === item)
        if (!bound) throw notFound('binding')
        const detail = { before: viewOf(bound.binding, bound.role.name) }
        const event = auditEvent(now, { ...about(bound.binding, actor), event: 'binding.deleted', detail })
        if (!(await roles.deleteBinding({ id: item, resourceId }, event))) throw notFound('binding')
        return receipt({ binding: item })
      },
    }),
  ]
}

const about = ({ resourceId, subjectId }: Binding, actor: string) => ({
  actor,
  resourceId,
  ...(subjectId !== null && { subjectId }),
})

/** To be an administrator of a resource is to pass its reviews; with everyone one there would be none. */
function roleFaults(role: Role | undefined, holder: Wish['holder']): ProblemField[] {
  if (!role) return [{ pointer: '/role', message: 'is no role of this resource' }]
  return role.document.administrator && 'everyone' in holder
    ? [{ pointer: '/holder', message: 'cannot be everyone for a role of administrators' }]
    : []
}

async function faultsOf(
  gateway: Gateway,
  { holder, conditions, expires_at: expiresAt }: Wish,
  { resourceId, now }: { resourceId: string; now: number },
): Promise<ProblemField[]> {
  const tools = await gateway.store.tools.list(resourceId)
  const hasPassed = expiresAt !== undefined && expiresAt <= now
  return [
    ...(await holderFaults(gateway, holder)),
    ...conditionFaults(conditions as Conditions, tools),
    ...(hasPassed ? [{ pointer: '/expires_at', message: 'has passed' }] : []),
  ]
}

/** Whoever is misspelled would have nothing, and nobody would know. */
async function holderFaults({ store, providers }: Gateway, holder: Wish['holder']): Promise<ProblemField[]> {
  if ('subject' in holder && !(await store.subjects.find(holder.subject))) {
    return [{ pointer: '/holder/subject', message: 'is nobody here' }]
  }
  if ('group' in holder && !(await providers.find(holder.provider))) {
    return [{ pointer: '/holder/provider', message: 'is not set up here' }]
  }
  return []
}

function rowOf(
  { holder, conditions, expires_at }: Wish,
  rest: Pick<Binding, 'resourceId' | 'roleId' | 'createdAt' | 'createdBy'>,
): Binding {
  return {
    ...rest,
    id: `bind_${newOrderedId(rest.createdAt)}`,
    holder: 'subject' in holder ? 'subject' : 'group' in holder ? 'group' : 'everyone',
    subjectId: 'subject' in holder ? holder.subject : null,
    groupProvider: 'group' in holder ? holder.provider : null,
    groupName: 'group' in holder ? holder.group : null,
    conditions: JSON.parse(JSON.stringify(conditions)),
    expiresAt: expires_at ?? null,
  }
}

function viewOf(binding: Binding, role: string) {
  const { id, conditions, expiresAt, createdAt, createdBy } = binding
  return {
    id,
    role,
    holder: holderOf(binding),
    conditions,
    expires_at: expiresAt,
    created_at: createdAt,
    created_by: createdBy,
  }
}

function holderOf({ subjectId, groupProvider, groupName }: Binding): z.output<typeof holderSchema> {
  if (subjectId !== null) return { subject: subjectId }
  return groupName === null || groupProvider === null
    ? { everyone: true }
    : { group: groupName, provider: groupProvider }
}
