import type { ConnectedGrant } from '../storage/connected-grants.ts'
import type { Grant } from '../storage/grants.ts'
import type { Resource } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import type { Provider } from '../upstream/provider.ts'
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
  /** It has another URI than the grant's tokens are for, which may be somebody else's by now. */
  | 'resource_moved'
  | 'provider_disabled'
  /** One it was exchanged from ended, or what that one may call. */
  | 'origin_ended'

type Ended = { stands: false; reason: GrantEnd }

export type GrantStanding =
  | (Place & {
      /** What it was exchanged from, the nearest first; none where the person gave it themselves. */
      ancestors: readonly Grant[]
    })
  | Ended

/** Where a grant may be used, and the providers it cannot do without there. */
type Place = { stands: true; resource: Resource | undefined; providers: readonly Provider[] }

type StandingParts = {
  store: Pick<Store, 'resources' | 'exchangedGrants'>
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
export async function grantStanding(
  parts: StandingParts,
  grant: ConnectedGrant,
  now: number,
): Promise<GrantStanding> {
  const { subject, client } = grant.parties
  const own = ownEnd(grant, now)
  if (own) return ended(own)
  if (!subject.enabled) return ended('subject_disabled')
  const isRegistered = client.expiresAt === null || client.expiresAt > now
  if (!client.enabled || !isRegistered) return ended('client_disabled')
  const place = await standingPlace(parts, grant, grant.parties.resource)
  if (!place.stands) return place
  if (grant.parentId === null) return { ...place, ancestors: [] }
  const { resource } = place
  const ancestors = await parts.store.exchangedGrants.listAncestors(grant)
  const isFounded = await doOriginsStand(parts, { grant, resource, ancestors }, now)
  return isFounded ? { ...place, ancestors } : ended('origin_ended')
}

/** Whether the resource a grant is for and the providers it cannot do without there are enabled. */
async function standingPlace(
  { providers }: StandingParts,
  { resourceId, audience, scopes }: Grant,
  resource: Resource | undefined,
): Promise<Place | Ended> {
  if (resourceId === null) return { stands: true, resource: undefined, providers: [] }
  if (!resource?.enabled) return ended('resource_disabled')
  if (resource.uri !== audience) return ended('resource_moved')
  const needed = resource.document.providers.filter((each) => each.required && isInvolved(each, scopes))
  const found: Provider[] = []
  for (const { provider: id } of needed) {
    const provider = await providers.find(id)
    if (!provider?.enabled) return ended('provider_disabled')
    found.push(provider)
  }
  return { stands: true, resource, providers: found }
}

type Exchanged = { grant: Grant; resource: Resource | undefined; ancestors: readonly Grant[] }

/** Whether all that a grant was exchanged from stands, and each resource there may still call the next with that much. */
async function doOriginsStand(parts: StandingParts, exchanged: Exchanged, now: number): Promise<boolean> {
  const { ancestors } = exchanged
  if (ancestors.at(-1)?.parentId !== null) return false
  if (ancestors.some((ancestor) => ownEnd(ancestor, now))) return false
  const places = await Promise.all(
    ancestors.map(async (ancestor) => standingPlace(parts, ancestor, await resourceOf(parts, ancestor))),
  )
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

async function resourceOf({ store }: StandingParts, { resourceId }: Grant): Promise<Resource | undefined> {
  return resourceId === null ? undefined : await store.resources.find(resourceId)
}
