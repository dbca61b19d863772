import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Gateway } from '../../gateway.ts'
import { accept } from '../../http/problems.ts'
import { sha256 } from '../../lib/secret.ts'
import type { AuditEvent } from '../../storage/audit-events.ts'
import { listQuery, pageAnswer, pageOf, wanted } from './input.ts'
import { notFound } from './receipt.ts'

const time = z
  .string()
  .regex(/^\d{1,12}$/, 'must be a time in seconds since 1970')
  .transform(Number)
  .optional()

const query = listQuery({
  event: wanted,
  actor: wanted,
  outcome: wanted,
  subject_id: wanted,
  client_id: wanted,
  resource_id: wanted,
  provider: wanted,
  token_session_id: wanted,
  since: time,
  until: time,
})

/** The record, the youngest first. There is no way to write to it. */
export function auditEventRoutes(api: FastifyInstance, gateway: Gateway): void {
  api.get('/audit-events', async (request) => {
    const { limit, cursor, ...wish } = accept(query, request.query)
    const filter = await filterOf(gateway, wish)
    return pageAnswer(await gateway.store.auditEvents.list(filter, pageOf({ limit, cursor })), viewOf)
  })
}

type Wish = Omit<z.output<typeof query>, 'limit' | 'cursor'>

async function filterOf({ store }: Gateway, wish: Wish) {
  const { event, actor, outcome, provider, since, until, token_session_id: grantId } = wish
  const grant = grantId === undefined ? undefined : await store.grants.find(grantId)
  if (grantId !== undefined && !grant) throw notFound('token session')
  const asked = {
    event,
    actor,
    outcome,
    provider,
    subjectId: wish.subject_id,
    clientId: wish.client_id,
    resourceId: wish.resource_id,
    tsidHash: grant && sha256(grant.tsid),
    since,
    until,
  }
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
}

function viewOf(event: AuditEvent) {
  return {
    id: event.id,
    at: event.at,
    event: event.event,
    actor: event.actor,
    outcome: event.outcome,
    subject_id: event.subjectId,
    client_id: event.clientId,
    resource_id: event.resourceId,
    provider: event.provider,
    detail: event.detail,
  }
}
