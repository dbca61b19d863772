import { z } from 'zod'
import { signedHeads, signedHeadsSchema } from '../../audit/heads.ts'
import type { Gateway } from '../../gateway.ts'
import { sha256 } from '../../lib/secret.ts'
import type { AuditEvent } from '../../storage/audit-events.ts'
import { notFound, pageAnswer, pagedListOf, time } from './answer.ts'
import { listQuery, pageOf, wanted, wantedTime } from './input.ts'
import { ok, type Route, route } from './route.ts'

const query = listQuery({
  event: wanted,
  actor: wanted,
  outcome: wanted,
  subject_id: wanted,
  client_id: wanted,
  resource_id: wanted,
  provider: wanted,
  token_session_id: wanted,
  since: wantedTime.describe('Seconds since 1970, included'),
  until: wantedTime.describe('Seconds since 1970, not included'),
})

const eventView = z
  .strictObject({
    id: z.string(),
    at: time,
    event: z.string(),
    actor: z.string(),
    outcome: z.string(),
    subject_id: z.string().nullable(),
    client_id: z.string().nullable(),
    resource_id: z.string().nullable(),
    provider: z.string().nullable(),
    detail: z.record(z.string(), z.unknown()),
    chain: z.string().describe('Of the process that wrote it'),
    seq: z.int().describe('Its number in the chain, from 1 and without a gap'),
    mac: z.string().describe('Binds it to the row before it'),
  })
  .meta({ id: 'AuditEvent' })

const headsView = signedHeadsSchema.meta({ id: 'AuditHeads' })

/** The record, the youngest first. There is no way to write to it. */
export function auditEventRoutes(gateway: Gateway): Route[] {
  return [
    route({
      method: 'GET',
      path: '/audit-events',
      role: 'read',
      operationId: 'listAuditEvents',
      summary: 'List what happened, the youngest first',
      query,
      answers: { 200: pagedListOf(eventView) },
      problems: ['not_found'],
      handle: async ({ query: { limit, cursor, ...wish } }) => {
        const filter = await filterOf(gateway, wish)
        return pageAnswer(await gateway.store.auditEvents.list(filter, pageOf({ limit, cursor })), viewOf)
      },
    }),

    route({
      method: 'GET',
      path: '/audit-heads',
      role: 'read',
      operationId: 'getAuditHeads',
      summary: 'Where every chain of the record stands, signed, to be kept elsewhere',
      answers: { 200: headsView },
      handle: async () => ok(await signedHeads(gateway.store, await gateway.auditKey(), gateway.clock())),
    }),
  ]
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
    chain: event.chain,
    seq: event.seq,
    mac: event.mac,
  }
}
