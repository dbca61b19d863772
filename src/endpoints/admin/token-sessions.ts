import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { aboutGrant, auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { ownEnd } from '../../grants/standing.ts'
import { accept } from '../../http/problems.ts'
import type { Grant, GrantFilter } from '../../storage/grants.ts'
import { authorOf } from './authenticate.ts'
import { idOf, listQuery, pageAnswer, pageOf, wanted } from './input.ts'
import { notFound, receipt } from './receipt.ts'

const query = listQuery({
  subject_id: wanted,
  client_id: wanted,
  resource_id: wanted,
  state: z.enum(['live', 'any']).default('live'),
})

/** Token sessions by their grants' ids: a `tsid` is for the resource it was issued to. */
export function tokenSessionRoutes(api: FastifyInstance, gateway: Gateway): void {
  const { grants } = gateway.store

  api.get('/token-sessions', async (request) => {
    const { state, ...wish } = accept(query, request.query)
    const now = gateway.clock()
    const page = await grants.list(filterOf(wish), { now, state }, pageOf(wish))
    return pageAnswer(page, (grant) => viewOf(grant, now))
  })

  api.delete('/token-sessions/:id', async (request) => {
    const grant = await grants.find(idOf(request))
    if (!grant) throw notFound('token session')
    const { actor, now } = authorOf(gateway, request)
    const event = auditEvent(now, { event: 'grant.revoked', actor, ...aboutGrant(grant) })
    const revoked = await grants.revoke(grant.id, 'revoked_by_administrator', now, event)
    const removed = { tokenSessionsEnded: revoked ? 1 : 0, connectionsDeleted: [] }
    return receipt({ token_session: grant.id }, removed)
  })
}

type Wish = Record<'subject_id' | 'client_id' | 'resource_id', string | undefined>

function filterOf({ subject_id, client_id, resource_id }: Partial<Wish>): GrantFilter {
  return {
    ...(subject_id !== undefined && { subjectId: subject_id }),
    ...(client_id !== undefined && { clientId: client_id }),
    ...(resource_id !== undefined && { resourceId: resource_id }),
  }
}

function viewOf(grant: Grant, now: number) {
  return {
    id: grant.id,
    state: ownEnd(grant, now) ?? 'live',
    subject_id: grant.subjectId,
    client_id: grant.clientId,
    resource_id: grant.resourceId,
    audience: grant.audience,
    scopes: grant.scopes,
    created_at: grant.createdAt,
    last_used_at: grant.lastUsedAt,
    access_ends_at: grant.accessEndsAt,
    expires_at: grant.expiresAt,
    absolute_ends_at: grant.absoluteEndsAt,
    revoked_at: grant.revokedAt,
    revoked_reason: grant.revokedReason,
  }
}
