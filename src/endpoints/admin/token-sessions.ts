import { z } from 'zod'
import { aboutGrant, auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { ownEnd } from '../../grants/standing.ts'
import type { SitePin } from '../../storage/connections.ts'
import type { Grant, GrantFilter } from '../../storage/grants.ts'
import { notFound, pageAnswer, pagedListOf, time } from './answer.ts'
import { disconnectQuery, endConnections } from './disconnect.ts'
import { byId, listQuery, pageOf, wanted } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { type Route, route } from './route.ts'

const filters = {
  subject_id: wanted,
  client_id: wanted,
  resource_id: wanted,
  parent_id: wanted.describe('Those that were exchanged from this session'),
}

const sessionView = z
  .strictObject({
    id: z.string().describe('Not the tsid, which is for the resource it was issued to'),
    state: z.enum(['live', 'revoked', 'expired']),
    subject_id: z.string(),
    client_id: z.string(),
    resource_id: z.string().nullable(),
    parent_id: z
      .string()
      .nullable()
      .describe('The session another resource exchanged this one from, and with which it ends'),
    audience: z.string(),
    scopes: z.array(z.string()),
    created_at: time,
    last_used_at: time,
    access_ends_at: time.nullable(),
    expires_at: time,
    absolute_ends_at: time,
    revoked_at: time.nullable(),
    revoked_reason: z.string().nullable(),
    sites: z.record(z.string(), z.string()).optional().describe('By provider, the id of the site it is for'),
  })
  .meta({ id: 'TokenSession' })

/** Token sessions by their grants' ids: a `tsid` is for the resource it was issued to. */
export function tokenSessionRoutes(gateway: Gateway): Route[] {
  const { clock, store } = gateway
  const { grants } = store
  return [
    route({
      method: 'GET',
      path: '/token-sessions',
      role: 'read',
      operationId: 'listTokenSessions',
      summary: 'List the token sessions, the youngest first',
      query: listQuery({ ...filters, state: z.enum(['live', 'any']).default('live') }),
      answers: { 200: pagedListOf(sessionView) },
      handle: async ({ query: { state, ...wish } }) => {
        const now = clock()
        const page = await grants.list(filterOf(wish), { now, state }, pageOf(wish))
        const pins = await store.connections.listPins(page.rows.map(({ id }) => id))
        return pageAnswer(page, (grant) => viewOf(grant, pins, now))
      },
    }),

    route({
      method: 'DELETE',
      path: '/token-sessions/{id}',
      role: 'write',
      operationId: 'endTokenSession',
      summary: 'End a token session, and those exchanged from it',
      params: byId,
      query: disconnectQuery,
      answers: { 200: receiptSchema },
      problems: ['not_found'],
      handle: async ({ params, query: { disconnect }, by }) => {
        const { actor, now } = by
        const grant = await grants.find(params.id)
        if (!grant) throw notFound('token session')
        const event = auditEvent(now, { event: 'grant.revoked', actor, ...aboutGrant(grant) })
        const revoked = await grants.revoke(grant.id, 'revoked_by_administrator', now, event)
        const of = { grantId: grant.id, subjectId: grant.subjectId }
        const ended = await endConnections(gateway, of, disconnect, by)
        return receipt({ token_session: grant.id }, { tokenSessionsEnded: revoked, ...ended })
      },
    }),
  ]
}

type Wish = Record<keyof typeof filters, string | undefined>

function filterOf({ subject_id, client_id, resource_id, parent_id }: Partial<Wish>): GrantFilter {
  return {
    ...(subject_id !== undefined && { subjectId: subject_id }),
    ...(client_id !== undefined && { clientId: client_id }),
    ...(resource_id !== undefined && { resourceId: resource_id }),
    ...(parent_id !== undefined && { parentId: parent_id }),
  }
}

function viewOf(grant: Grant, pins: readonly SitePin[], now: number) {
  const sites = pins.filter(({ grantId }) => grantId === grant.id)
  return {
    id: grant.id,
    state: ownEnd(grant, now) ?? ('live' as const),
    subject_id: grant.subjectId,
    client_id: grant.clientId,
    resource_id: grant.resourceId,
    parent_id: grant.parentId,
    audience: grant.audience,
    scopes: grant.scopes,
    created_at: grant.createdAt,
    last_used_at: grant.lastUsedAt,
    access_ends_at: grant.accessEndsAt,
    expires_at: grant.expiresAt,
    absolute_ends_at: grant.absoluteEndsAt,
    revoked_at: grant.revokedAt,
    revoked_reason: grant.revokedReason,
    ...(sites.length > 0 && {
      sites: Object.fromEntries(sites.map(({ provider, siteId }) => [provider, siteId])),
    }),
  }
}
