import type { Clock } from '../lib/clock.ts'
import type { HeldConnection } from '../storage/connections.ts'
import type { Grant } from '../storage/grants.ts'
import type { Resource, ResourceCredential } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import type { AccessTokenClaims } from '../tokens/access-token.ts'
import type { Provider } from '../upstream/provider.ts'
import type { ProviderRegistry } from '../upstream/registry.ts'
import { isInvolved } from './asks.ts'
import { type RetrievalRefusal, refusal } from './retrieval-error.ts'
import { grantStanding } from './standing.ts'

export type SessionParts = {
  store: Pick<Store, 'grants' | 'exchangedGrants' | 'connections' | 'resources'>
  providers: ProviderRegistry
  clock: Clock
}

/** The resource that asks, as its credential proved. */
export type AskingResource = { resource: Resource; credential: ResourceCredential }

/** What comes of the person's own access token, where one was sent: its claims if it is good. */
export type UserToken = { sent: 'none' } | { sent: 'invalid' } | { sent: 'valid'; claims: AccessTokenClaims }

/** A session that answers the resource that asks, and what it may draw on. */
export type OpenSession = {
  outcome: 'open'
  grant: Grant
  resource: Resource
  /** Those it cannot do without, as they are now. */
  providers: readonly Provider[]
  /** The grant whose connections they are; absent: the person gave none here, so the session reaches nothing. */
  drawnOn: Grant | undefined
  connections: HeldConnection[]
}

/**
 * A token session for the resource it belongs to. Unknown, revoked, ended, disabled and another resource's are
 * one answer. Without the person's token it is open as long as the last access token issued for it, and as much
 * longer as an administrator allowed the resource.
 */
export async function openSession(
  parts: SessionParts,
  { resource }: AskingResource,
  tsid: string,
  userToken: UserToken,
): Promise<OpenSession | RetrievalRefusal> {
  const now = parts.clock()
  const grant = await parts.store.grants.findByTsid(tsid)
  if (!grant || grant.resourceId !== resource.id || grant.accessEndsAt === null) {
    return refusal('unknown_token_session')
  }
  const standing = await grantStanding(parts, grant, now)
  if (!standing.stands || !standing.resource) return refusal('unknown_token_session')
  const { require_user_token: required = false, offline_retrieval: offline = 0 } = standing.resource.document
  const isOpen = {
    none: !required && now < grant.accessEndsAt + offline,
    invalid: false,
    valid: userToken.sent === 'valid' && isTokenOf(userToken.claims, grant),
  }[userToken.sent]
  if (!isOpen) return refusal('invalid_user_token')
  return {
    outcome: 'open',
    grant,
    resource: standing.resource,
    providers: standing.providers,
    ...(await reach(parts, grant, standing.resource)),
  }
}

/**
 * What a session draws on. One that another resource brought about holds nothing itself: it reaches what the person
 * gave this very client at this resource, as long as that lives, and of it only what its own scopes involve.
 */
async function reach(
  parts: SessionParts,
  grant: Grant,
  resource: Resource,
): Promise<Pick<OpenSession, 'drawnOn' | 'connections'>> {
  const { store } = parts
  if (grant.parentId === null) {
    return { drawnOn: grant, connections: await store.connections.listForGrant(grant.id) }
  }
  const now = parts.clock()
  const given = await store.exchangedGrants.findGiven(grant, now)
  const isGood = given !== undefined && (await grantStanding(parts, given, now)).stands
  if (!isGood) return { drawnOn: undefined, connections: [] }
  const held = await store.connections.listForGrant(given.id)
  const connections = held.filter(({ provider }) => mayReach(grant, resource, provider))
  return { drawnOn: given, connections }
}

/** Whether a session may reach a provider at all, by the scopes it has itself. */
export function mayReach({ parentId, scopes }: Grant, { document }: Resource, provider: string): boolean {
  const listed = document.providers.find((each) => each.provider === provider)
  return parentId === null || (listed !== undefined && isInvolved(listed, scopes))
}

/** Whether an access token was issued for this very session. */
export const isTokenOf = (claims: AccessTokenClaims, grant: Grant): boolean =>
  claims.tsid === grant.tsid && claims.subject === grant.subjectId && claims.audience === grant.audience
