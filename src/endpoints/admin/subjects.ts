import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import type { Identity, Subject } from '../../storage/subjects.ts'
import { notFound, pageAnswer, pagedListOf, time } from './answer.ts'
import { byId, enabledChange, listQuery, pageOf, wanted, wantedFlag } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { ok, type Route, route } from './route.ts'

const subjectView = z
  .strictObject({
    id: z.string(),
    enabled: z.boolean(),
    created_at: time,
    last_seen_at: time,
    identities: z
      .array(
        z.strictObject({
          provider: z.string(),
          issuer: z.string(),
          upstream_subject: z.string(),
          label: z.string(),
          email: z.string().nullable(),
          email_verified: z.boolean(),
          groups: z.array(z.string()).describe('As the provider named them at the last sign-in'),
          created_at: time,
          last_sign_in_at: time,
        }),
      )
      .describe('Who they are at the providers they sign in with'),
  })
  .meta({ id: 'Subject' })

export function subjectRoutes({ store, revocations }: Gateway): Route[] {
  const { subjects, browserSessions, removals } = store
  return [
    route({
      method: 'GET',
      path: '/subjects',
      role: 'read',
      operationId: 'listSubjects',
      summary: 'List the people who signed in here, the youngest first',
      query: listQuery({ enabled: wantedFlag, provider: wanted, label: wanted, email: wanted }),
      answers: { 200: pagedListOf(subjectView) },
      handle: async ({ query: { limit, cursor, ...filter } }) => {
        const page = await subjects.list(filter, pageOf({ limit, cursor }))
        const identities = await subjects.listIdentitiesOfAll(page.rows.map(({ id }) => id))
        return pageAnswer(page, (subject) => viewOf(subject, identities))
      },
    }),

    route({
      method: 'PATCH',
      path: '/subjects/{id}',
      role: 'write',
      operationId: 'changeSubject',
      summary: 'Enable or disable somebody; who is disabled is signed out everywhere',
      params: byId,
      body: enabledChange,
      answers: { 200: subjectView },
      problems: ['not_found'],
      handle: async ({ params: { id }, body, by: { actor, now } }) => {
        const before = await subjects.find(id)
        if (!before) throw notFound('subject')
        const detail = { before: { enabled: before.enabled }, after: body }
        const event = auditEvent(now, { event: 'subject.changed', actor, subjectId: id, detail })
        const changed = await subjects.setEnabled(id, body, event)
        if (!changed) throw notFound('subject')
        // Their token sessions stand still by themselves; in browsers they sign in again, should they be enabled again.
        if (!changed.enabled) await browserSessions.deleteOf(id)
        return ok(viewOf(changed, await subjects.listIdentities(id)))
      },
    }),

    route({
      method: 'DELETE',
      path: '/subjects/{id}',
      role: 'write',
      operationId: 'deleteSubject',
      summary: 'Delete somebody with their connections, here and at providers, and end their token sessions',
      params: byId,
      answers: { 200: receiptSchema },
      problems: ['not_found'],
      handle: async ({ params: { id }, by: { actor, now } }) => {
        const event = auditEvent(now, { event: 'subject.deleted', actor, subjectId: id })
        const removed = await removals.subject(id, now, event)
        if (!removed) throw notFound('subject')
        return receipt({ subject: id }, { ...removed, carriedOut: await revocations.carryOut(event.id) })
      },
    }),
  ]
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
  const { provider, issuer, upstreamSubject, label, email, emailVerified, groups, createdAt, lastSignInAt } =
    identity
  return {
    provider,
    issuer,
    upstream_subject: upstreamSubject,
    label,
    email,
    email_verified: emailVerified,
    groups,
    created_at: createdAt,
    last_sign_in_at: lastSignInAt,
  }
}
