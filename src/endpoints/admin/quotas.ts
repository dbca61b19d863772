import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { invalid } from '../../http/problems.ts'
import { newOrderedId } from '../../lib/ordered-id.ts'
import { quotaSchema, windowAt } from '../../policy/quota.ts'
import { toolFaults } from '../../policy/references.ts'
import type { QuotaDocument } from '../../storage/documents.ts'
import type { Quota } from '../../storage/quotas.ts'
import { listOf, notFound, time } from './answer.ts'
import { byGivenId, byIdInResource } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { getResource } from './resources.ts'
import { created, ok, type Route, route } from './route.ts'

const quotaView = quotaSchema
  .safeExtend({
    id: z.string(),
    created_at: time,
    use: z
      .strictObject({
        ends_at: time.describe('When the window ends, and all begin anew'),
        counts: z.int().describe('Of how many of those the quota is per'),
        calls: z.int().describe('All of them together'),
        most: z.int().describe('The fullest of them; calls are refused from the limit on'),
      })
      .describe('In the present window'),
  })
  .meta({ id: 'Quota' })

export function quotaRoutes(gateway: Gateway): Route[] {
  const { quotas } = gateway.store

  const viewOf = async ({ id, document, createdAt }: Quota, now: number) => {
    const { endsAt } = windowAt(document.window, now)
    const use = { ends_at: endsAt, ...(await quotas.useOf(id, endsAt)) }
    return { id, ...document, created_at: createdAt, use }
  }

  return [
    route({
      method: 'GET',
      path: '/resources/{id}/quotas',
      role: 'read',
      operationId: 'listQuotas',
      summary: 'List how often the tools of a resource may be called, and how often they were',
      params: byGivenId,
      answers: { 200: listOf(quotaView) },
      problems: ['not_found'],
      handle: async ({ params, by: { now } }) => {
        const { id } = await getResource(gateway, params.id)
        const items = (await quotas.list(id)).map((quota) => viewOf(quota, now))
        return ok({ items: await Promise.all(items) })
      },
    }),

    route({
      method: 'POST',
      path: '/resources/{id}/quotas',
      role: 'write',
      operationId: 'createQuota',
      summary: 'Limit how often the tools of a resource may be called',
      params: byGivenId,
      body: quotaSchema,
      answers: { 201: quotaView },
      problems: ['not_found'],
      handle: async ({ params, body, by: { actor, now } }) => {
        const { id: resourceId } = await getResource(gateway, params.id)
        const { role, tools } = body
        const hasRole = role === undefined || (await gateway.store.roles.find(resourceId, role)) !== undefined
        const faults = [
          ...(hasRole ? [] : [{ pointer: '/role', message: 'is no role of this resource' }]),
          ...toolFaults(tools, await gateway.store.tools.list(resourceId), '/tools'),
        ]
        if (faults.length > 0) throw invalid(faults)
        const document: QuotaDocument = JSON.parse(JSON.stringify(body))
        const quota = { id: `quota_${newOrderedId(now)}`, resourceId, document, createdAt: now }
        const detail = { quota: quota.id, after: document }
        await quotas.create(quota, auditEvent(now, { event: 'quota.created', actor, resourceId, detail }))
        return created(await viewOf(quota, now))
      },
    }),

    route({
      method: 'DELETE',
      path: '/resources/{id}/quotas/{item}',
      role: 'write',
      operationId: 'deleteQuota',
      summary: 'Take a limit away, and its counts with it',
      params: byIdInResource,
      answers: { 200: receiptSchema },
      problems: ['not_found'],
      handle: async ({ params: { id: resourceId, item }, by: { actor, now } }) => {
        const quota = (await quotas.list(resourceId)).find(({ id }) => id === item)
        if (!quota) throw notFound('quota')
        const detail = { quota: item, before: quota.document }
        const event = auditEvent(now, { event: 'quota.deleted', actor, resourceId, detail })
        if (!(await quotas.delete({ id: item, resourceId }, event))) throw notFound('quota')
        return receipt({ quota: item })
      },
    }),
  ]
}
