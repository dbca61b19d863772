import type { FastifyInstance } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { accept } from '../../http/problems.ts'
import type { Identity, Subject } from '../../storage/subjects.ts'
import { authorOf } from './authenticate.ts'
import { enabledChange, idOf, listQuery, pageAnswer, pageOf, wanted, wantedFlag } from './input.ts'
import { notFound, receipt } from './receipt.ts'

const query = listQuery({ enabled: wantedFlag, provider: wanted, label: wanted, email: wanted })

export function subjectRoutes(api: FastifyInstance, gateway: Gateway): void {
  const { subjects, browserSessions, removals } = gateway.store

  api.get('/subjects', async (request) => {
    const { limit, cursor, ...filter } = accept(query, request.query)
    const page = await subjects.list(filter, pageOf({ limit, cursor }))
    const identities = await subjects.listIdentitiesOfAll(page.rows.map(({ id }) => id))
    return pageAnswer(page, (subject) => viewOf(subject, identities))
  })

  api.patch('/subjects/:id', async (request) => {
    const change = accept(enabledChange, request.body)
    const id = idOf(request)
    const before = await subjects.find(id)
    if (!before) throw notFound('subject')
    const { actor, now } = authorOf(gateway, request)
    const detail = { before: { enabled: before.enabled }, after: change }
    const event = auditEvent(now, { event: 'subject.changed', actor, subjectId: id, detail })
    const changed = await subjects.setEnabled(id, change, event)
    if (!changed) throw notFound('subject')
    // Their token sessions stand still by themselves; in browsers they sign in again, should they be enabled again.
    if (!changed.enabled) await browserSessions.deleteOf(id)
    return viewOf(changed, await subjects.listIdentities(id))
  })

  api.delete('/subjects/:id', async (request) => {
    const id = idOf(request)
    const { actor, now } = authorOf(gateway, request)
    const removed = await removals.subject(
      id,
      now,
      auditEvent(now, { event: 'subject.deleted', actor, subjectId: id }),
    )
    if (!removed) throw notFound('subject')
    return receipt({ subject: id }, removed)
  })
}

function viewOf({ id, enabled, createdAt, lastSeenAt }: Subject, identities: readonly Identity[]) {
  return {
    id,
    enabled,
    created_at: createdAt,
    last_seen_at: lastSeenAt,
    identities: identities.filter(({ subjectId }) => subjectId === id).map(identityView),
  }
}

function identityView(identity: Identity) {
  const { provider, issuer, upstreamSubject, label, email, emailVerified, createdAt, lastSignInAt } = identity
  return {
    provider,
    issuer,
    upstream_subject: upstreamSubject,
    label,
    email,
    email_verified: emailVerified,
    created_at: createdAt,
    last_sign_in_at: lastSignInAt,
  }
}
