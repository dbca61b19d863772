import { missingScopes } from '../upstream/provider.ts'
import { allowedScopes, isReleasable } from './asks.ts'
import { type ConnectLinkParts, createConnectLink, type NewConnectLink } from './connect-link.ts'
import { type AskingResource, mayReach, type OpenSession, type SessionParts } from './open-session.ts'
import { neverGiven, type RetrievalRefusal, refusal } from './retrieval-error.ts'

export type ConnectRequested = { outcome: 'created'; link: NewConnectLink } | RetrievalRefusal

/**
 * A connect link a resource asks for by itself: to connect, to widen an account its session holds, or with
 * `new` to add another one on purpose. What is held already is asked for again, so that nothing narrows.
 */
export async function requestConnect(
  parts: SessionParts & ConnectLinkParts,
  { resource, credential }: AskingResource,
  session: OpenSession,
  wish: { provider: string; scopes: readonly string[]; account: string | undefined },
): Promise<ConnectRequested> {
  const provider = await parts.providers.find(wish.provider)
  const allowed = provider?.enabled ? allowedScopes(resource, provider) : undefined
  const { grant, drawnOn } = session
  if (!provider || !allowed || !mayReach(grant, resource, provider.id)) return refusal('not_allowed')
  const { identity } = provider.descriptor.scopes
  const asked = wish.scopes.filter((scope) => !identity.includes(scope))
  if (missingScopes(provider, allowed, asked).length > 0) return refusal('not_allowed')

  if (!drawnOn) return refusal('not_connected', { reason: neverGiven })
  const ofAccount = session.connections.filter(
    (connection) =>
      connection.provider === provider.id &&
      (wish.account === undefined || connection.accountId === wish.account),
  )
  const isKnown = wish.account === undefined || wish.account === 'new' || ofAccount.length > 0
  if (!isKnown) return refusal('invalid_request')
  // What the resource may no longer have is not asked for again.
  const held = ofAccount
    .filter((each) => isReleasable(provider, each, allowed))
    .flatMap(({ scopes }) => scopes)
  const scopes = [...new Set([...held, ...(asked.length > 0 ? asked : allowed)])]
  const accounts = new Set(ofAccount.map(({ accountId }) => accountId))
  // Where there is one, that is the one that is meant.
  const accountId = wish.account ?? (accounts.size === 1 ? [...accounts][0] : undefined)
  const link = await createConnectLink(
    parts,
    drawnOn,
    { provider: provider.id, scopes, accountId },
    `resource:${credential.id}`,
    parts.clock(),
  )
  return { outcome: 'created', link }
}
