import { z } from 'zod'
import { signedHeads, signedHeadsSchema } from '../../audit/heads.ts'
import type { Gateway } from '../../gateway.ts'
import { sha256 } from '../../lib/secret.ts'
import type { AuditEvent, AuditFilter, AuditPeriod } from '../../storage/audit-events.ts'
import type { PageRequest } from '../../storage/page.ts'
import { notFound, pageAnswer, pagedListOf, time } from './answer.ts'
import { listQuery, pageOf, wanted, wantedTime } from './input.ts'
import { linesOf, ok, type Route, route } from './route.ts'

const filters = {
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
}

const query = listQuery(filters)

const exportQuery = listQuery(filters).extend({
  limit: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a number from 1 to 10000')
    .transform(Number)
    .pipe(z.int().min(1).max(10_000))
    .default(10_000),
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

const exportedLine = z
  .union([
    z.strictObject({ heads: headsView }).describe('The first line, where no cursor was given'),
    eventView.extend({ tsid_hash: z.string().nullable() }).meta({ id: 'ExportedAuditEvent' }),
    z
      .strictObject({
        end: z.strictObject({
          rows: z.int().min(0),
          next_cursor: z
            .string()
            .optional()
            .describe('Asks for the rows after these; absent where none follow'),
        }),
      })
      .describe('The last line: without it the answer was broken off'),
  ])
  .meta({ id: 'AuditExportLine' })

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
      path: '/audit-events/export',
      role: 'read',
      operationId: 'exportAuditEvents',
      summary: 'Export what happened as lines of JSON, the oldest first',
      query: exportQuery,
      answers: { 200: exportedLine },
      mediaType: 'application/x-ndjson',
      problems: ['not_found'],
      handle: async ({ query: { limit, cursor, ...wish } }) => {
        const filter = await filterOf(gateway, wish)
        return linesOf(exported(gateway, filter, pageOf({ limit, cursor })))
      },
    }),

    route({
      method: 'GET',
      path: '/audit-heads',
      role: 'read',
      operationId: 'getAuditHeads',
      summary: 'Where every chain of the record stands, signed, to be kept elsewhere',
      answers: { 200: headsView },
      handle: async () => ok(await headsNow(gateway)),
    }),
  ]
}

/** Rows in memory at once. */
const chunk = 500

/** The heads first, so that every row they name is among those that follow, though the gateway writes on. */
async function* exported(
  gateway: Gateway,
  filter: AuditFilter & AuditPeriod,
  { limit, cursor }: PageRequest,
): AsyncGenerator<z.output<typeof exportedLine>> {
  const { auditEvents } = gateway.store
  if (cursor === undefined) yield { heads: await headsNow(gateway) }
  let rows = 0
  let last = cursor
  for (;;) {
    const size = Math.min(chunk, limit - rows)
    const page = await auditEvents.listOldest(filter, pageOf({ limit: size, cursor: last }))
    for (const event of page) yield { ...viewOf(event), tsid_hash: event.tsidHash }
    rows += page.length
    last = page.at(-1)?.id ?? last
    if (page.length === size && rows < limit) continue
    const more = page.length === size && last !== undefined
    yield { end: { rows, ...(more && { next_cursor: last }) } }
    return
  }
}

const headsNow = async (gateway: Gateway) =>
  await signedHeads(gateway.store, await gateway.auditKey(), gateway.clock())

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
