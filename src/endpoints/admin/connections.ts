import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import type { RefreshLife } from '../../storage/connection-ends.ts'
import type { Connection } from '../../storage/connections.ts'
import { endsOf, refreshLives } from '../../upstream/connection-ends.ts'
import { notFound, pageAnswer, pagedListOf, time } from './answer.ts'
import { byId, listQuery, pageOf, wanted, wantedTime } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { type Route, route } from './route.ts'

const status = z.enum(['live', 'needs_reauthorization'])

const connectionView = z
  .strictObject({
    id: z.string(),
    subject_id: z.string(),
    provider: z.string(),
    issuer: z.string(),
    upstream_subject: z.string(),
    account: z.strictObject({ id: z.string(), label: z.string() }),
    scopes: z.array(z.string()),
    token_endpoint: z.string(),
    upstream_client_id: z.string(),
    status,
    status_reason: z.string().nullable(),
    status_since: time,
    can_refresh: z.boolean(),
    access_expires_at: time.nullable(),
    refresh_expires_at: time.nullable(),
    created_at: time,
    authorized_at: time.describe('When the person last gave what the refresh token rests on'),
    refreshed_at: time,
    sites: z
      .array(z.strictObject({ id: z.string(), name: z.string(), url: z.string().optional() }))
      .optional()
      .describe(
        'The sites its token opens, as the provider last listed them; absent where it has none or never did',
      ),
    last_used_at: time.nullable(),
    idle_ends_at: time
      .optional()
      .describe('When it ends unless it is used; kept from it while a session wants it'),
    ends_at: time.optional().describe('When it ends whatever is done, and the person has to connect again'),
  })
  .meta({ id: 'Connection' })

export function connectionRoutes({ store, providers, revocations, clock }: Gateway): Route[] {
  const { connections, removals } = store
  return [
    route({
      method: 'GET',
      path: '/connections',
      role: 'read',
      operationId: 'listConnections',
      summary: 'List the connections people have to providers, without their tokens',
      query: listQuery({
        subject_id: wanted,
        provider: wanted,
        status: status.optional(),
        ends_before: wantedTime.describe('Live ones whose ends_at is still to come, and not after this'),
      }),
      answers: { 200: pagedListOf(connectionView) },
      handle: async ({ query }) => {
        const { subject_id: subjectId, provider, status: state, ends_before: before, ...page } = query
        const lives = await refreshLives(providers)
        const filter = {
          ...(subjectId !== undefined && { subjectId }),
          ...(provider !== undefined && { provider }),
          ...(state !== undefined && { status: state }),
          ...(before !== undefined && { ends: { after: clock(), before, lives } }),
        }
        const found = await connections.list(filter, pageOf(page))
        return pageAnswer(found, (connection) => viewOf(connection, lives.get(connection.provider)))
      },
    }),

    route({
      method: 'DELETE',
      path: '/connections/{id}',
      role: 'write',
      operationId: 'deleteConnection',
      summary: 'Delete a connection, end the token sessions that draw on it, and revoke it at its provider',
      params: byId,
      answers: { 200: receiptSchema },
      problems: ['not_found'],
      handle: async ({ params, by: { actor, now } }) => {
        const connection = await connections.find(params.id)
        if (!connection) throw notFound('connection')
        const { id, subjectId, provider, accountId } = connection
        const detail = { connection: id, account: accountId }
        const event = auditEvent(now, { event: 'connection.deleted', actor, subjectId, provider, detail })
        const removed = await removals.connection(id, now, event)
        if (!removed) throw notFound('connection')
        return receipt({ connection: id }, { ...removed, carriedOut: await revocations.carryOut(event.id) })
      },
    }),
  ]
}

function viewOf(connection: Connection, life: RefreshLife | undefined) {
  const { idleEndsAt, endsAt } = endsOf(connection, life)
  return {
    id: connection.id,
    subject_id: connection.subjectId,
    provider: connection.provider,
    issuer: connection.issuer,
    upstream_subject: connection.upstreamSubject,
    account: { id: connection.accountId, label: connection.accountLabel },
    scopes: connection.scopes,
    token_endpoint: connection.tokenEndpoint,
    upstream_client_id: connection.upstreamClientId,
    status: connection.status,
    status_reason: connection.statusReason,
    status_since: connection.statusSince,
    can_refresh: connection.sealedRefreshToken !== null,
    access_expires_at: connection.accessExpiresAt,
    refresh_expires_at: connection.refreshExpiresAt,
    created_at: connection.createdAt,
    authorized_at: connection.authorizedAt,
    refreshed_at: connection.refreshedAt,
    last_used_at: connection.lastUsedAt,
    ...(connection.sites && { sites: connection.sites.list }),
    ...(idleEndsAt !== undefined && { idle_ends_at: idleEndsAt }),
    ...(endsAt !== undefined && { ends_at: endsAt }),
  }
}
