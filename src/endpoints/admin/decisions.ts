import { z } from 'zod'
import type { Gateway } from '../../gateway.ts'
import { type DenialCode, sentenceFor } from '../../policy/reasons.ts'
import type { Decision } from '../../storage/decisions.ts'
import { notFound, pageAnswer, pagedListOf, time } from './answer.ts'
import { byId, listQuery, pageOf, wanted, wantedFlag } from './input.ts'
import { ok, type Route, route } from './route.ts'

const decisionRecord = z
  .strictObject({
    id: z.string(),
    at: time,
    resource_id: z.string(),
    subject_id: z.string(),
    client_id: z.string(),
    tool: z.string(),
    allowed: z.boolean(),
    code: z.string().nullable(),
    message: z.string().optional().describe('Why not, for people'),
    detail: z
      .record(z.string(), z.unknown())
      .describe('The reason, what failed, the bindings it rests on; of the arguments their names and digest'),
  })
  .meta({ id: 'Decision' })

export function decisionRoutes({ store, decisionLog }: Gateway): Route[] {
  return [
    route({
      method: 'GET',
      path: '/decisions',
      role: 'read',
      operationId: 'listDecisions',
      summary: 'List what was decided about calls of tools, the youngest first',
      query: listQuery({
        resource_id: wanted,
        subject_id: wanted,
        client_id: wanted,
        tool: wanted,
        allowed: wantedFlag,
      }),
      answers: { 200: pagedListOf(decisionRecord) },
      handle: async ({ query }) => {
        const { resource_id: resourceId, subject_id: subjectId, client_id: clientId, tool, allowed } = query
        const filter = { resourceId, subjectId, clientId, tool, allowed }
        return pageAnswer(await store.decisions.list(filter, pageOf(query)), viewOf)
      },
    }),

    route({
      method: 'GET',
      path: '/decisions/{id}',
      role: 'read',
      operationId: 'getDecision',
      summary: 'Explain one decision about a call of a tool',
      params: byId,
      answers: { 200: decisionRecord },
      problems: ['not_found'],
      handle: async ({ params }) => {
        const found = await decisionLog.find(params.id)
        if (!found) throw notFound('decision')
        return ok(viewOf(found))
      },
    }),
  ]
}

function viewOf({ id, at, resourceId, subjectId, clientId, tool, allowed, code, detail }: Decision) {
  return {
    id,
    at,
    resource_id: resourceId,
    subject_id: subjectId,
    client_id: clientId,
    tool,
    allowed,
    code,
    ...(code !== null && { message: sentenceFor(code as DenialCode, String(detail.reason)) }),
    detail,
  }
}
