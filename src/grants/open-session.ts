import type { Clock } from '../lib/clock.ts'
import type { Connection } from '../storage/connections.ts'
import type { Grant } from '../storage/grants.ts'
import type { Resource, ResourceCredential } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import type { AccessTokenClaims } from '../tokens/access-token.ts'
import type { ProviderRegistry } from '../upstream/registry.ts'
import { type RetrievalRefusal, refusal } from './retrieval-error.ts'
import { grantStanding } from './standing.ts'

export type SessionParts = {
  store: Pick<Store, 'grants' | 'connections' | 'subjects' | 'resources' | 'clients'>
  providers: ProviderRegistry
  clock: Clock
}

/** The resource that asks, as its credential proved. */
export type AskingResource = { resource: Resource; credential: ResourceCredential }

/** What comes of the person's own access token, where one was sent: its claims if it is good. */
export type UserToken = { sent: 'none' } | { sent: 'invalid' } | { sent: 'valid'; claims: AccessTokenClaims }

/** A session that answers the resource that asks, and what it may draw on. */
export type OpenSession = { outcome: 'open'; grant: Grant; resource: Resource; connections: Connection[] }

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
    valid: userToken.sent === 'valid' && isOf(userToken.claims, grant),
  }[userToken.sent]
  if (!isOpen) return refusal('invalid_user_token')
  const connections = await parts.store.connections.listForGrant(grant.id)
  return { outcome: 'open', grant, resource: standing.resource, connections }
}

const isOf = (claims: AccessTokenClaims, grant: Grant) =>
  claims.tsid === grant.tsid && claims.subject === grant.subjectId && claims.audience === grant.audience
