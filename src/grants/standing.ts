import type { Grant } from '../storage/grants.ts'
import type { Resource } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import type { ProviderRegistry } from '../upstream/registry.ts'
import { isInvolved } from './asks.ts'
import { openedScopes, openingFor } from './callers.ts'

/** Why a grant gives nothing any more. */
export type GrantEnd =
  | 'revoked'
  | 'expired'
  | 'subject_disabled'
  | 'client_disabled'
  | 'resource_disabled'
  | 'provider_disabled'
  /** One it was exchanged from ended, or what that one may call. */
  | 'origin_ended'

type Ended = { stands: false; reason: GrantEnd }

export type GrantStanding =
  /** `ancestors` is what it was exchanged from, the nearest first; none where the person gave it themselves. */
  { stands: true; resource: Resource | undefined; ancestors: readonly Grant[] } | Ended

type StandingParts = {
  store: Pick<Store, 'subjects' | 'resources' | 'clients' | 'exchangedGrants'>
  providers: ProviderRegistry
}

const ended = (reason: GrantEnd): Ended => ({ stands: false, reason })

/** Its own end alone, as the row says it now; nothing here waits for a sweeper. */
export function ownEnd(grant: Grant, now: number): 'revoked' | 'expired' | undefined {
  if (grant.revokedAt !== null) return 'revoked'
  return grant.expiresAt <= now ? 'expired' : undefined
}

/**
 * Whether a grant still stands: neither it nor whoever and whatever it connects was ended or disabled, nor anything it
 * was exchanged from. The one rule behind exchange, refresh, introspection and retrieval, so that no path is softer
 * than another.
 */
export async function grantStanding(parts: StandingParts, grant: Grant, now: number): Promise<GrantStanding> {
  const own = ownEnd(grant, now)
  if (own) return ended(own)
  const [subject, client, place, ancestors] = await Promise.all([
    parts.store.subjects.find(grant.subjectId),
    parts.store.clients.find(grant.clientId, now),
    standingPlace(parts, grant),
    grant.parentId === null ? [] : parts.store.exchangedGrants.listAncestors(grant),
  ])
  if (!subject?.enabled) return ended('subject_disabled')
  if (!client?.enabled) return ended('client_disabled')
  if (!place.stands) return place
  const { resource } = place
  const isFounded =
    grant.parentId === null || (await doOriginsStand(parts, { grant, resource, ancestors }, now))
  return isFounded ? { stands: true, resource, ancestors } : ended('origin_ended')
}

type Place = { stands: true; resource: Resource | undefined } | Ended

/** The resource a grant is for, with the providers it cannot do without. */
async function standingPlace(
  { store, providers }: StandingParts,
  { resourceId, scopes }: Grant,
): Promise<Place> {
  if (resourceId === null) return { stands: true, resource: undefined }
  const resource = await store.resources.find(resourceId)
  if (!resource?.enabled) return ended('resource_disabled')
  const needed = resource.document.providers.filter((each) => each.required && isInvolved(each, scopes))
  for (const { provider } of needed) {
    if (!(await providers.find(provider))?.enabled) return ended('provider_disabled')
  }
  return { stands: true, resource }
}

type Exchanged = { grant: Grant; resource: Resource | undefined; ancestors: readonly Grant[] }

/** Whether all that a grant was exchanged from stands, and each resource there may still call the next with that much. */
async function doOriginsStand(parts: StandingParts, exchanged: Exchanged, now: number): Promise<boolean> {
  const { ancestors } = exchanged
  if (ancestors.at(-1)?.parentId !== null) return false
  if (ancestors.some((ancestor) => ownEnd(ancestor, now))) return false
  const places = await Promise.all(ancestors.map((ancestor) => standingPlace(parts, ancestor)))
  let callee: Pick<Exchanged, 'grant' | 'resource'> = exchanged
  for (const [index, grant] of ancestors.entries()) {
    const place = places[index]
    const caller = place?.stands ? place.resource : undefined
    const opening = caller && callee.resource && openingFor(callee.resource, caller)
    if (!caller || !callee.resource || !opening) return false
    const opened = openedScopes(callee.resource, opening, grant.scopes)
    if (callee.grant.scopes.some((scope) => !opened.includes(scope))) return false
    callee = { grant, resource: caller }
  }
  return true
}
