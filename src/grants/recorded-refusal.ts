import { aboutGrant, auditEvent } from '../audit/event.ts'
import type { Memory } from '../lib/memory.ts'
import { registeredIdPattern } from '../lib/registered-id.ts'
import type { Store } from '../storage/store.ts'
import type { AskingResource, SessionParts } from './open-session.ts'
import type { RetrievalRequest } from './retrieval.ts'
import type { RetrievalRefusal } from './retrieval-error.ts'

export type RefusalParts = SessionParts & { store: Pick<Store, 'auditEvents'>; refusals: Memory }

/** Scopes a row names at most. */
const named = 50

/**
 * A session's resource was refused a token of it. Recorded once in a while for each reason: whoever is refused tends
 * to ask again, and the record grows for ever. What has to do with no session of the resource has no place in it.
 */
export async function recordRefusal(
  { store, refusals, clock }: RefusalParts,
  { resource, credential }: AskingResource,
  request: Pick<RetrievalRequest, 'tsid' | 'provider' | 'scopes'>,
  { code }: RetrievalRefusal,
): Promise<void> {
  const grant = await store.grants.findByTsid(request.tsid)
  if (grant?.resourceId !== resource.id) return
  const provider = registeredIdPattern.test(request.provider) ? request.provider : undefined
  const key = [grant.id, code === 'not_allowed' ? '' : provider, code].join(' ')
  if (refusals.knows(key)) return
  refusals.note(key)
  await store.auditEvents.create(
    auditEvent(clock(), {
      event: 'upstream_token.refused',
      outcome: code,
      actor: `resource:${credential.id}`,
      provider,
      ...aboutGrant(grant),
      detail: { scopes: request.scopes.slice(0, named) },
    }),
  )
}
