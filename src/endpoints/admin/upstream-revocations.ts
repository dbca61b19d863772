import { z } from 'zod'
import type { Gateway } from '../../gateway.ts'
import type { UpstreamRevocation } from '../../storage/upstream-revocations.ts'
import { patience } from '../../upstream/revocation-queue.ts'
import { pageAnswer, pagedListOf, time } from './answer.ts'
import { listQuery, pageOf, wanted } from './input.ts'
import { type Route, route } from './route.ts'

const waitingView = z
  .strictObject({
    id: z.string(),
    cause: z.string().describe('The audit event of what ended it here, or its own id where nothing was kept'),
    provider: z.string(),
    upstream_client_id: z.string(),
    subject_id: z.string().nullable(),
    connection: z.string().nullable().describe('The id of the connection that was deleted'),
    attempts: z.int(),
    trouble: z.string().nullable().describe('Why the last attempt failed'),
    next_at: time.describe('When it is tried next'),
    given_up_at: time.describe('When a failed attempt is the last'),
    created_at: time,
  })
  .meta({ id: 'UpstreamRevocation' })

export function upstreamRevocationRoutes({ store }: Gateway): Route[] {
  return [
    route({
      method: 'GET',
      path: '/upstream-revocations',
      role: 'read',
      operationId: 'listUpstreamRevocations',
      summary: 'List what providers have yet to be told of what ended here, and why they were not',
      query: listQuery({ subject_id: wanted, provider: wanted }),
      answers: { 200: pagedListOf(waitingView) },
      handle: async ({ query: { subject_id: subjectId, provider, ...page } }) => {
        const filter = {
          ...(subjectId !== undefined && { subjectId }),
          ...(provider !== undefined && { provider }),
        }
        return pageAnswer(await store.upstreamRevocations.list(filter, pageOf(page)), viewOf)
      },
    }),
  ]
}

function viewOf(row: UpstreamRevocation) {
  return {
    id: row.id,
    cause: row.cause,
    provider: row.provider,
    upstream_client_id: row.upstreamClientId,
    subject_id: row.subjectId,
    connection: row.connectionId,
    attempts: row.attempts,
    trouble: row.trouble?.code ?? null,
    next_at: row.nextAt,
    given_up_at: row.createdAt + patience,
    created_at: row.createdAt,
  }
}
