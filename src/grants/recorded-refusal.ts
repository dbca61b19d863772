import { aboutGrant, auditEvent, type EventFacts } from '../audit/event.ts'
import type { Clock } from '../lib/clock.ts'
import type { Memory } from '../lib/memory.ts'
import { registeredIdPattern } from '../lib/registered-id.ts'
import type { Grant } from '../storage/grants.ts'
import type { Resource } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import type { ExchangeRefusal } from './exchange-error.ts'
import type { AskingResource, SessionParts } from './open-session.ts'
import type { RetrievalRequest } from './retrieval.ts'
import type { RetrievalRefusal } from './retrieval-error.ts'

type RecordParts = { store: Pick<Store, 'auditEvents'>; refusals: Memory; clock: Clock }
export type RefusalParts = SessionParts & RecordParts

/** Scopes a row names at most. */
const named = 50

/** Once in a while for each reason: whoever is refused tends to ask again, and the record grows for ever. */
async function recordOnce(
  { store, refusals, clock }: RecordParts,
  grant: Grant,
  reason: readonly (string | undefined)[],
  facts: EventFacts,
): Promise<void> {
  const key = [grant.id, ...reason].join(' ')
  if (refusals.knows(key)) return
  refusals.note(key)
  await store.auditEvents.create(auditEvent(clock(), { ...aboutGrant(grant), ...facts }))
}

/**
 * A session's resource was refused a token of it. What has to do with no session of the resource has no place in the
 * record.
 */
export async function recordRefusal(
  parts: RefusalParts,
  { resource, credential }: AskingResource,
  request: Pick<RetrievalRequest, 'tsid' | 'provider' | 'scopes'>,
  { code }: RetrievalRefusal,
): Promise<void> {
  const grant = await parts.store.grants.findByTsid(request.tsid)
  if (grant?.resourceId !== resource.id) return
  const provider = registeredIdPattern.test(request.provider) ? request.provider : undefined
  await recordOnce(parts, grant, [code === 'not_allowed' ? '' : provider, code], {
    event: 'upstream_token.refused',
    outcome: code,
    actor: `resource:${credential.id}`,
    provider,
    detail: { scopes: request.scopes.slice(0, named) },
  })
}

/** A resource was refused a token for another one, of a session of its own. */
export async function recordExchangeRefusal(
  parts: RecordParts,
  { credential }: AskingResource,
  grant: Grant,
  wish: { target: Resource | undefined; requested: readonly string[] },
  { code }: ExchangeRefusal,
): Promise<void> {
  const { target, requested } = wish
  await recordOnce(parts, grant, [target?.id, code], {
    event: 'token.exchange_refused',
    outcome: code,
    actor: `resource:${credential.id}`,
    detail: { ...(target && { target: target.id }), scopes: requested.slice(0, named) },
  })
}
