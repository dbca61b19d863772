import { aboutGrant, auditEvent } from '../audit/event.ts'
import type { HeldConnection } from '../storage/connections.ts'
import type { Site, SitesSeen } from '../storage/documents.ts'
import type { Grant } from '../storage/grants.ts'
import { grantedTooMuch } from '../upstream/connection-record.ts'
import type { FreshToken, FreshTokens } from '../upstream/fresh-token.ts'
import { missingScopes, type Provider } from '../upstream/provider.ts'
import type { LookAtSites } from '../upstream/site-looks.ts'
import { allowedScopes, isReleasable, showsTooMuch } from './asks.ts'
import { chooseConnection } from './choose-connection.ts'
import type { ConnectWish } from './connect-link.ts'
import type { OfferConnectLink } from './offered-link.ts'
import { type AskingResource, mayReach, openSession, type UserToken } from './open-session.ts'
import { pinnedSite, siteGone } from './pinned-site.ts'
import { type RefusalParts, recordRefusal } from './recorded-refusal.ts'
import { neverGiven, type RetrievalErrorFacts, type RetrievalRefusal, refusal } from './retrieval-error.ts'

export type RetrievalParts = RefusalParts & {
  freshToken: FreshTokens
  lookAtSites: LookAtSites
  offerConnectLink: OfferConnectLink
}

export type RetrievalRequest = {
  tsid: string
  userToken: UserToken
  provider: string
  scopes: readonly string[]
  minTtl: number
  account: string | undefined
  rejected: string | undefined
}

export type Release = {
  outcome: 'released'
  accessToken: string
  tokenType: string
  expiresIn: number | undefined
  scopes: string[]
  provider: string
  account: { id: string; label: string }
  /** The one of the account's sites to work with. */
  site: Site | undefined
}

/** The one policy behind both faces of token retrieval; its checks stand in the order errors are reported in. */
export async function retrieveToken(
  parts: RetrievalParts,
  asking: AskingResource,
  request: RetrievalRequest,
): Promise<Release | RetrievalRefusal> {
  const answer = await answerTo(parts, asking, request)
  if (answer.outcome === 'refused') await recordRefusal(parts, asking, request, answer)
  return answer
}

async function answerTo(
  parts: RetrievalParts,
  asking: AskingResource,
  request: RetrievalRequest,
): Promise<Release | RetrievalRefusal> {
  const entitled = await entitlement(parts, asking, request)
  if (entitled.outcome === 'refused') return entitled
  const { provider, allowed } = entitled
  const askPerson = async (
    code: RetrievalRefusal['code'],
    wish: Omit<ConnectWish, 'provider'>,
    facts: RetrievalErrorFacts = {},
  ) => await askedOf(parts, asking, entitled, { code, wish: { provider: provider.id, ...wish }, facts })
  const chosen = chooseConnection(provider, entitled.held, request)
  if (chosen.outcome === 'several')
    return refusal('account_selection_required', { accounts: chosen.accounts })

  if (chosen.outcome === 'none') {
    return await askPerson('not_connected', { scopes: allowed, accountId: request.account })
  }

  const { connection } = chosen
  const repair = { scopes: union(connection.scopes, request.scopes), accountId: connection.accountId }
  const insufficient = async (missing: string[]) =>
    await askPerson('insufficient_upstream_scope', repair, { missing_scopes: missing })
  const missing = missingScopes(provider, connection.scopes, request.scopes)
  if (missing.length > 0 && connection.status === 'live') return await insufficient(missing)

  const { fresh, seen, waited } = await freshen(parts, provider, connection, request)
  // A provider may have been waited for: what is true now decides, not what was true when this began.
  const now = waited ? await entitlement(parts, asking, request) : entitled
  if (now.outcome === 'refused') return now
  // New tokens may be good for more than the old ones were, and may not be stored yet.
  const isTooMuch = fresh.outcome === 'token' && !isReleasable(now.provider, fresh.connection, now.allowed)
  const held = now.held.find(({ id }) => id === connection.id)
  if (isTooMuch || !held) {
    return await askPerson('not_connected', { scopes: now.allowed })
  }
  switch (fresh.outcome) {
    case 'token': {
      const pinned = pinnedSite(held.siteId, seen)
      if (pinned.outcome === 'gone') {
        return await askPerson('needs_reauthorization', repair, { since: pinned.since, reason: siteGone })
      }
      const lost = missingScopes(provider, fresh.connection.scopes, request.scopes)
      if (lost.length > 0) return await insufficient(lost)
      const site = pinned.outcome === 'site' ? pinned.site : undefined
      if (site && held.siteId === null) {
        await parts.store.connections.pinSite(now.drawnOn.id, held.id, site.id)
      }
      return await release(parts, asking, now, { fresh, site })
    }
    case 'needs_reauthorization':
      return await askPerson('needs_reauthorization', repair, { since: fresh.since, reason: fresh.reason })
    case 'misconfigured':
      return refusal('provider_misconfigured')
    case 'limited':
      return refusal('upstream_rate_limited', { retry_after: fresh.retryAfter })
    case 'unavailable':
      return refusal('upstream_unavailable', { retry_after: fresh.retryAfter })
    case 'busy':
      return refusal('refresh_busy', { retry_after: fresh.retryAfter })
  }
}

/** A token that lives, and the sites it opens, where the account has any. */
async function freshen(
  parts: RetrievalParts,
  provider: Provider,
  connection: HeldConnection,
  { minTtl, rejected }: RetrievalRequest,
): Promise<{ fresh: FreshToken; seen?: SitesSeen | undefined; waited: boolean }> {
  const wish = { minTtl, ...(rejected === undefined ? {} : { rejected }) }
  const fresh = await parts.freshToken(provider, connection, wish)
  if (fresh.outcome !== 'token') return { fresh, waited: true }
  const current = { ...connection, ...fresh.connection }
  const { seen, waited } = await parts.lookAtSites(provider, current, fresh.accessToken)
  return { fresh, seen, waited: waited || fresh.waited }
}

type Entitlement = {
  outcome: 'entitled'
  grant: Grant
  /** The grant whose connections they are. */
  drawnOn: Grant
  provider: Provider
  /** The scopes of the provider this resource may have. */
  allowed: string[]
  /** The connections of the session that may be released to it. */
  held: HeldConnection[]
}

/** What this resource may have of this session at this provider, by what stands in the database now. */
async function entitlement(
  parts: RetrievalParts,
  asking: AskingResource,
  request: RetrievalRequest,
): Promise<Entitlement | RetrievalRefusal> {
  const session = await openSession(parts, asking, request.tsid, request.userToken)
  if (session.outcome === 'refused') return session
  const { grant, drawnOn, resource, providers, connections } = session

  const isAsked = ({ id }: Provider) => id === request.provider
  const provider = providers.find(isAsked) ?? (await parts.providers.find(request.provider))
  const allowed = provider?.enabled ? allowedScopes(resource, provider) : undefined
  if (!provider || !allowed || !mayReach(grant, resource, provider.id)) return refusal('not_allowed')
  if (missingScopes(provider, allowed, withoutIdentity(provider, request.scopes)).length > 0) {
    return refusal('not_allowed')
  }
  if (!drawnOn) return refusal('not_connected', { reason: neverGiven })
  const held = connections.filter(
    (connection) => connection.subjectId === grant.subjectId && isReleasable(provider, connection, allowed),
  )
  return { outcome: 'entitled', grant, drawnOn, provider, allowed, held }
}

/** Promise 9: the audit row is durable before the token leaves, and a grant that ended meanwhile stops it. */
async function release(
  parts: RetrievalParts,
  { credential }: AskingResource,
  { grant, drawnOn }: Entitlement,
  { fresh, site }: { fresh: Extract<FreshToken, { outcome: 'token' }>; site: Site | undefined },
): Promise<Release | RetrievalRefusal> {
  const { connection } = fresh
  const now = parts.clock()
  const event = auditEvent(now, {
    event: 'upstream_token.released',
    actor: `resource:${credential.id}`,
    provider: connection.provider,
    ...aboutGrant(grant),
    detail: { connection: connection.id, scopes: connection.scopes, site: site?.id },
  })
  const isRecorded = await parts.store.grants.recordRelease(
    { id: grant.id, drawnOn: drawnOn.id },
    connection,
    now,
    event,
  )
  if (!isRecorded) return refusal('unknown_token_session')
  return {
    outcome: 'released',
    accessToken: fresh.accessToken,
    // RFC 6750 spells it so; providers do as they like.
    tokenType: connection.tokenType === 'bearer' ? 'Bearer' : connection.tokenType,
    expiresIn: fresh.expiresIn,
    scopes: connection.scopes,
    provider: connection.provider,
    account: { id: connection.accountId, label: connection.accountLabel },
    site,
  }
}

/** What only the person can mend, with a link to do so; nobody is sent where it would not help. */
async function askedOf(
  parts: RetrievalParts,
  { credential }: AskingResource,
  { drawnOn, provider, allowed }: Entitlement,
  { code, wish, facts }: { code: RetrievalRefusal['code']; wish: ConnectWish; facts: RetrievalErrorFacts },
): Promise<RetrievalRefusal> {
  const { accountId, scopes } = wish
  const theirs = await parts.store.connections.listOf(drawnOn.subjectId)
  const ofAccount = theirs.filter((each) => accountId === undefined || each.accountId === accountId)
  if (ofAccount.some((each) => showsTooMuch(provider, each, { allowed, scopes }))) {
    return refusal('provider_misconfigured', { reason: grantedTooMuch })
  }
  const connectUrl = await parts.offerConnectLink(drawnOn, wish, `resource:${credential.id}`)
  return refusal(code, { connect_url: connectUrl, ...facts })
}

function withoutIdentity(provider: Provider, scopes: readonly string[]): string[] {
  return scopes.filter((scope) => !provider.descriptor.scopes.identity.includes(scope))
}

const union = (left: readonly string[], right: readonly string[]) => [...new Set([...left, ...right])]
