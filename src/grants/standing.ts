import type { Grant } from '../storage/grants.ts'
import type { Resource } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import type { ProviderRegistry } from '../upstream/registry.ts'
import { isInvolved } from './asks.ts'

/** Why a grant gives nothing any more. */
export type GrantEnd =
  | 'revoked'
  | 'expired'
  | 'subject_disabled'
  | 'client_disabled'
  | 'resource_disabled'
  | 'provider_disabled'

export type GrantStanding =
  | { stands: true; resource: Resource | undefined }
  | { stands: false; reason: GrantEnd }

/** Its own end alone, as the row says it now; nothing here waits for a sweeper. */
export function ownEnd(grant: Grant, now: number): 'revoked' | 'expired' | undefined {
  if (grant.revokedAt !== null) return 'revoked'
  return grant.expiresAt <= now ? 'expired' : undefined
}

/**
 * Whether a grant still stands: neither it nor whoever and whatever it connects was ended or disabled. The one
 * rule behind exchange, refresh, introspection and retrieval, so that no path is softer than another.
 */
export async function grantStanding(
  parts: { store: Pick<Store, 'subjects' | 'resources' | 'clients'>; providers: ProviderRegistry },
  grant: Grant,
  now: number,
): Promise<GrantStanding> {
  const ended = (reason: GrantEnd): GrantStanding => ({ stands: false, reason })
  const own = ownEnd(grant, now)
  if (own) return ended(own)
  const [subject, client, resource] = await Promise.all([
    parts.store.subjects.find(grant.subjectId),
    parts.store.clients.find(grant.clientId, now),
    grant.resourceId === null ? undefined : parts.store.resources.find(grant.resourceId),
  ])
  if (!subject?.enabled) return ended('subject_disabled')
  if (!client?.enabled) return ended('client_disabled')
  if (grant.resourceId === null) return { stands: true, resource: undefined }
  if (!resource?.enabled) return ended('resource_disabled')
  const needed = resource.document.providers.filter((each) => each.required && isInvolved(each, grant.scopes))
  for (const { provider } of needed) {
    if (!(await parts.providers.find(provider))?.enabled) return ended('provider_disabled')
  }
  return { stands: true, resource }
}
