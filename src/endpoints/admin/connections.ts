import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { accept } from '../../http/problems.ts'
import type { Connection } from '../../storage/connections.ts'
import { authorOf } from './authenticate.ts'
import { idOf, listQuery, pageAnswer, pageOf, wanted } from './input.ts'
import { notFound, receipt } from './receipt.ts'

const query = listQuery({
  subject_id: wanted,
  provider: wanted,
  status: z.enum(['live', 'needs_reauthorization']).optional(),
})

export function connectionRoutes(api: FastifyInstance, gateway: Gateway): void {
  const { connections, removals } = gateway.store

  api.get('/connections', async (request) => {
    const { subject_id: subjectId, provider, status, ...page } = accept(query, request.query)
    const filter = {
      ...(subjectId !== undefined && { subjectId }),
      ...(provider !== undefined && { provider }),
      ...(status !== undefined && { status }),
    }
    return pageAnswer(await connections.list(filter, pageOf(page)), viewOf)
  })

  api.delete('/connections/:id', async (request) => {
    const connection = await connections.find(idOf(request))
    if (!connection) throw notFound('connection')
    const { actor, now } = authorOf(gateway, request)
    const { id, subjectId, provider, accountId } = connection
    const event = auditEvent(now, {
      event: 'connection.deleted',
      actor,
      subjectId,
      provider,
      detail: { connection: id, account: accountId },
    })
    const removed = await removals.connection(id, now, event)
    if (!removed) throw notFound('connection')
    return receipt({ connection: id }, removed)
  })
}

function viewOf(connection: Connection) {
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
    refreshed_at: connection.refreshedAt,
    last_used_at: connection.lastUsedAt,
  }
}
