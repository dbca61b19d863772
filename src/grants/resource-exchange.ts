import { aboutGrant, auditEvent } from '../audit/event.ts'
import { newOrderedId } from '../lib/ordered-id.ts'
import { newId, sha256 } from '../lib/secret.ts'
import type { NewAuditEvent } from '../storage/audit-events.ts'
import type { Grant } from '../storage/grants.ts'
import type { Resource } from '../storage/resources.ts'
import type { AccessTokenClaims, Actor } from '../tokens/access-token.ts'
import { exchangedScopes, openingFor, type ScopesAsked } from './callers.ts'
import { type ExchangeRefusal, exchangeRefusal } from './exchange-error.ts'
import { type AskingResource, isTokenOf, type SessionParts } from './open-session.ts'
import { grantStanding } from './standing.ts'

/** What a token is exchanged from: what it says, and the grant behind it with those that one came from. */
export type Origin = { claims: AccessTokenClaims; grant: Grant; ancestors: readonly Grant[] }

export type ExchangeTerms = {
  lifetimes: { access_token: number }
  limits: { exchanges_in_a_row: number }
}

/** `target` is absent where none is named that there is. */
export type ExchangeWish = ScopesAsked & { target: Resource | undefined }

export type PlannedExchange = {
  outcome: 'planned'
  target: Resource
  grant: Grant
  act: Actor
  event: NewAuditEvent
}

/** The origin in a person's token for the resource that presents it, while everything behind it stands. */
export async function findOrigin(
  parts: SessionParts,
  { resource }: AskingResource,
  claims: AccessTokenClaims,
): Promise<Origin | undefined> {
  const grant = claims.tsid === undefined ? undefined : await parts.store.grants.findByTsid(claims.tsid)
  if (!grant || grant.resourceId !== resource.id || !isTokenOf(claims, grant)) return undefined
  const standing = await grantStanding(parts, grant, parts.clock())
  return standing.stands ? { claims, grant, ancestors: standing.ancestors } : undefined
}

/**
 * The grant by which one resource calls another for a person (RFC 8693), nothing written yet. What it may do there is
 * what the callee's administrator said the person's scopes at the caller open, and it ends with the token it came from.
 */
export function planExchange(
  { lifetimes, limits }: ExchangeTerms,
  { resource: caller, credential }: AskingResource,
  { claims, grant: parent, ancestors }: Origin,
  { target, ...asked }: ExchangeWish,
  now: number,
): PlannedExchange | ExchangeRefusal {
  const isOnTheWay = [parent, ...ancestors].some(({ resourceId }) => resourceId === target?.id)
  if (target && isOnTheWay) return exchangeRefusal('exchange_loop')
  if (ancestors.length >= limits.exchanges_in_a_row) return exchangeRefusal('exchange_too_deep')
  const opening = target?.enabled ? openingFor(target, caller) : undefined
  if (!target || !opening) return exchangeRefusal('target_not_allowed')
  const granted = exchangedScopes(target, opening, asked)
  if (granted.outcome === 'refused') return granted

  const { scopes } = granted
  const endsAt = Math.min(claims.expiresAt, parent.expiresAt, now + lifetimes.access_token)
  const grant = grantFrom(parent, { resourceId: target.id, audience: target.uri, scopes }, endsAt, now)
  const event = auditEvent(now, {
    event: 'token.exchanged',
    actor: `resource:${credential.id}`,
    ...aboutGrant(grant),
    detail: {
      from: { resource: caller.id, tsid_hash: sha256(parent.tsid) },
      scopes,
      exchanges: ancestors.length + 1,
      ends_at: endsAt,
    },
  })
  const act: Actor = { sub: caller.uri, ...(claims.act === undefined ? {} : { act: claims.act }) }
  return { outcome: 'planned', target, grant, act, event }
}

/** With a session of its own, and nothing to refresh it with. */
function grantFrom(
  { id: parentId, subjectId, clientId, authTime, acr }: Grant,
  there: Pick<Grant, 'resourceId' | 'audience' | 'scopes'>,
  endsAt: number,
  now: number,
): Grant {
  return {
    id: `grant_${newOrderedId(now)}`,
    tsid: newId('ts_'),
    parentId,
    subjectId,
    clientId,
    authTime,
    acr,
    ...there,
    createdAt: now,
    lastUsedAt: now,
    accessEndsAt: endsAt,
    expiresAt: endsAt,
    absoluteEndsAt: endsAt,
    revokedAt: null,
    revokedReason: null,
  }
}
