import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { ProblemField } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { invalid } from '../../http/problems.ts'
import { scopeFaults } from '../../policy/references.ts'
import { changedMembers, isWeaker, toolRuleSchema, toolState } from '../../policy/tool.ts'
import type { ToolRule } from '../../storage/documents.ts'
import type { Tool } from '../../storage/tools.ts'
import { conflict, listOf, notFound, overtaken, time } from './answer.ts'
import { byGivenId, givenId } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { getResource } from './resources.ts'
import { ok, type Route, route } from './route.ts'

export const toolStates = z
  .enum(['approved', 'unreviewed', 'changed', 'withdrawn'])
  .describe('Only an approved one may be called by more than the administrators of the resource')

const toolView = z
  .strictObject({
    name: z.string(),
    state: toolStates,
    rule: toolRuleSchema.nullable().describe('How it opens; null: nobody has said yet'),
    title: z.string().optional(),
    description: z.string().optional(),
    input_schema: z.record(z.string(), z.unknown()),
    annotations: z.record(z.string(), z.unknown()).optional(),
    suggested_scopes: z.array(z.string()).describe('What its author thinks; it opens nothing'),
    published_hash: z.string().describe('What a review has to name, so that it is of what was looked at'),
    changed_members: z.array(z.string()).describe('What is not any more as it was reviewed'),
    reviewed_at: time.nullable(),
    reviewed_by: z.string().nullable(),
    created_at: time,
    changed_at: time,
  })
  .meta({ id: 'Tool' })

const review = toolRuleSchema.safeExtend({
  published_hash: z.string().min(1).max(100).describe('Of what was looked at'),
  confirm: z.string().max(200).optional().describe('The name of the tool, to make it public'),
})

const reviewedView = toolView
  .extend({ protection_weakened: z.boolean().describe('Whether somebody may call it who could not before') })
  .meta({ id: 'ReviewedTool' })

const byToolName = z.strictObject({ id: givenId, name: z.string().min(1).max(200) })

export function toolRoutes(gateway: Gateway): Route[] {
  const { tools } = gateway.store
  return [
    route({
      method: 'GET',
      path: '/resources/{id}/tools',
      role: 'read',
      operationId: 'listTools',
      summary: 'List the tools a resource published, and how each opens',
      params: byGivenId,
      answers: { 200: listOf(toolView) },
      problems: ['not_found'],
      handle: async ({ params }) => {
        const { id } = await getResource(gateway, params.id)
        return ok({ items: (await tools.list(id)).map(viewOf) })
      },
    }),

    route({
      method: 'GET',
      path: '/resources/{id}/tools/{name}',
      role: 'read',
      operationId: 'getTool',
      summary: 'Show one tool of a resource',
      params: byToolName,
      answers: { 200: toolView },
      problems: ['not_found'],
      handle: async ({ params: { id, name } }) => ok(viewOf(await getTool(gateway, id, name))),
    }),

    route({
      method: 'PUT',
      path: '/resources/{id}/tools/{name}',
      role: 'write',
      operationId: 'reviewTool',
      summary: 'Review a tool as it is published, and say how it opens',
      params: byToolName,
      body: review,
      answers: { 200: reviewedView },
      problems: ['not_found', 'overtaken'],
      handle: async ({ params: { id, name }, body, by: { actor, now } }) => {
        const { published_hash: reviewedHash, confirm, ...said } = body
        const resource = await getResource(gateway, id)
        const before = await getTool(gateway, id, name)
        const rule: ToolRule = JSON.parse(JSON.stringify(said))
        const faults = [...scopeFaults(rule.scopes, resource, '/scopes'), ...unconfirmed(rule, name, confirm)]
        if (faults.length > 0) throw invalid(faults)
        const weakened = before.rule !== null && isWeaker(rule, before.rule)
        const detail = {
          tool: name,
          before: { rule: before.rule, reviewed_hash: before.reviewedHash },
          after: { rule, reviewed_hash: reviewedHash },
          protection_weakened: weakened,
        }
        const reviewed = await tools.review(
          { resourceId: id, name },
          { rule, reviewedHash, reviewedAt: now, reviewedBy: actor },
          auditEvent(now, { event: 'tool.reviewed', actor, resourceId: id, detail }),
        )
        if (!reviewed) throw overtaken()
        return ok({ ...viewOf(reviewed), protection_weakened: weakened })
      },
    }),

    route({
      method: 'DELETE',
      path: '/resources/{id}/tools/{name}',
      role: 'write',
      operationId: 'forgetTool',
      summary: 'Forget a tool that its MCP server publishes no more',
      params: byToolName,
      answers: { 200: receiptSchema },
      problems: ['not_found', 'conflict'],
      handle: async ({ params: { id, name }, by: { actor, now } }) => {
        const { rule } = await getTool(gateway, id, name)
        const event = auditEvent(now, {
          event: 'tool.forgotten',
          actor,
          resourceId: id,
          detail: { tool: name, before: { rule } },
        })
        if (!(await tools.delete({ resourceId: id, name }, event))) {
          throw conflict([{ pointer: '', message: 'the MCP server still publishes it' }])
        }
        return receipt({ tool: name })
      },
    }),
  ]
}

async function getTool(gateway: Gateway, resourceId: string, name: string): Promise<Tool> {
  await getResource(gateway, resourceId)
  const tool = await gateway.store.tools.find(resourceId, name)
  if (!tool) throw notFound('tool')
  return tool
}

function unconfirmed({ access }: ToolRule, name: string, confirm: string | undefined): ProblemField[] {
  if (access !== 'public' || confirm === name) return []
  return [{ pointer: '/confirm', message: 'must be the name of the tool, to make it public' }]
}

function viewOf(tool: Tool) {
  const { name: _, suggested_scopes: suggested = [], ...published } = tool.published
  const state = toolState(tool)
  return {
    name: tool.name,
    state,
    rule: tool.rule,
    ...published,
    suggested_scopes: suggested,
    published_hash: tool.publishedHash,
    changed_members: state === 'changed' ? changedMembers(tool) : [],
    reviewed_at: tool.reviewedAt,
    reviewed_by: tool.reviewedBy,
    created_at: tool.createdAt,
    changed_at: tool.changedAt,
  }
}
