import { newOrderedId } from '../lib/ordered-id.ts'
import { sha256 } from '../lib/secret.ts'
import type { NewAuditEvent } from '../storage/audit-events.ts'
import type { Origin } from '../storage/documents.ts'
import type { Grant } from '../storage/grants.ts'

/** What can happen here, as the audit log names it. */
export type EventName =
  | 'audit.chain_started'
  | 'audit.chain_ended'
  | 'audit.checkpoint'
  | 'audit.dropped'
  | 'database.restored'
  | 'database.moved'
  | 'administrator.refused'
  | 'administrator.created'
  | 'administrator.changed'
  | 'administrator.deleted'
  | 'caller.refused'
  | 'client.registered'
  | 'client.changed'
  | 'client.deleted'
  | 'registration_token.created'
  | 'registration_token.deleted'
  | 'provider.saved'
  | 'provider.deleted'
  | 'resource.saved'
  | 'resource.deleted'
  | 'resource_credential.created'
  | 'resource_credential.deleted'
  | 'signing_key.rotated'
  | 'signing_key.removed'
  | 'master_keys.reseal_requested'
  | 'master_keys.resealed'
  | 'master_key.retired'
  | 'tools.published'
  | 'tool.reviewed'
  | 'tool.forgotten'
  | 'role.saved'
  | 'role.deleted'
  | 'binding.created'
  | 'binding.deleted'
  | 'quota.created'
  | 'quota.deleted'
  | 'resource.activated'
  | 'resource.deactivated'
  | 'subject.created'
  | 'subject.signed_in'
  | 'subject.refused'
  | 'subject.changed'
  | 'subject.deleted'
  | 'subject.signed_out'
  | 'identity.linked'
  | 'identity.unlinked'
  | 'trip.failed'
  | 'connection.saved'
  | 'connection.refreshing'
  | 'connection.refreshed'
  | 'connection.died'
  | 'connection.deleted'
  | 'connection.reconnected'
  | 'upstream_grant.revoked'
  | 'connect_link.created'
  | 'connect_link.completed'
  | 'connect_link.failed'
  | 'consent.denied'
  | 'grant.created'
  | 'grant.revoked'
  | 'access.ended'
  | 'token.issued'
  | 'token.refreshed'
  | 'token.reused'
  | 'token.exchanged'
  | 'token.exchange_refused'
  | 'upstream_token.released'
  | 'upstream_token.refused'

/** What an event says, beside when it happened. Nothing secret: a `tsid` is recorded as its hash. */
export type EventFacts = {
  event: EventName
  /** Who did it: `client:<id>`, `resource:<credential id>`, `subject:<id>`, `admin:<name>`, `config`, `gateway`. */
  actor: string
  outcome?: string
  subjectId?: string | undefined
  clientId?: string | null | undefined
  resourceId?: string | null | undefined
  provider?: string | undefined
  tsid?: string | undefined
  detail?: Record<string, unknown>
}

/** Who changes what only administrators may change: one of them through the admin API, or their file. */
export type Author = { origin: Origin; actor: string; now: number }

/** The audit row of an event, to be written with the change it records, or before the release it records. */
export function auditEvent(now: number, facts: EventFacts): NewAuditEvent {
  const { tsid, outcome = 'ok', detail = {}, ...rest } = facts
  return {
    id: newOrderedId(now),
    at: now,
    outcome,
    detail,
    ...rest,
    ...(tsid === undefined ? {} : { tsidHash: sha256(tsid) }),
  }
}

/** A person signed out. */
export function signedOut(
  subjectId: string,
  where: 'this_browser' | 'everywhere',
  now: number,
): NewAuditEvent {
  const actor = `subject:${subjectId}`
  return auditEvent(now, { event: 'subject.signed_out', actor, subjectId, detail: { where } })
}

/** Whose grant, for which client at which resource. */
export function aboutGrant({ subjectId, clientId, resourceId, tsid }: Grant) {
  return { subjectId, clientId, resourceId, tsid }
}
