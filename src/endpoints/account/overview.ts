import type { Gateway } from '../../gateway.ts'
import { pinnedSite } from '../../grants/pinned-site.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { accountUrl, issuerHost, mcpServerShown, personLabel, rightsShown } from '../../http/shown.ts'
import { signInProviders, type Visitor } from '../../http/visitor.ts'
import type { Html } from '../../lib/html.ts'
import {
  type AccessShown,
  type AccountNotice,
  accountPage,
  type ConnectionShown,
  type IdentityShown,
  type ProviderAccountShown,
  type UseShown,
} from '../../pages/account.ts'
import { accountSignInPage } from '../../pages/account-sign-in.ts'
import type { Connection, ConnectionUse } from '../../storage/connections.ts'
import type { Grant } from '../../storage/grants.ts'
import type { Resource } from '../../storage/resources.ts'
import type { Provider } from '../../upstream/provider.ts'
import { identityFields, isSpare } from './identities.ts'

/** The most sessions one page tells of; the youngest come first. */
const mostSessions = 500

const notices: readonly string[] = [
  'ended',
  'disconnected',
  'reconnected',
  'linked',
  'unlinked',
  'ended-all',
  'signed-out-elsewhere',
] satisfies AccountNotice[]

/** What an address says was done, if that is one of ours: anybody can write an address. */
export function noticeOf(done: string | undefined): AccountNotice | undefined {
  return done !== undefined && notices.includes(done) ? (done as AccountNotice) : undefined
}

/** Looking costs no row: the trip begins with the button. */
export async function showSignIn(gateway: Gateway, notice: AccountNotice | undefined): Promise<Html> {
  const providers = await signInProviders(gateway)
  if (providers.length === 0) throw new PageRefusal(503, { kind: 'nobody can sign in' })
  return accountSignInPage({
    providers: providers.map(({ id, name }) => ({ id, name })),
    signedOut: notice === 'signed-out-elsewhere' ? 'just now' : 'no',
    issuerHost: issuerHost(gateway),
    action: accountUrl(gateway),
    fields: { action: 'sign-in' },
  })
}

type Known = { providers: ReadonlyMap<string, Provider>; resources: ReadonlyMap<string, Resource> }

export async function showAccount(
  gateway: Gateway,
  { subjectId, proof }: Visitor,
  notice: AccountNotice | undefined,
): Promise<Html> {
  const now = gateway.clock()
  const { store } = gateway
  const [{ rows: given }, { rows: all }, connections, uses, identities, resources, { providers }] =
    await Promise.all([
      store.grants.list({ subjectId, parentId: null }, { now, state: 'live' }, { limit: mostSessions }),
      store.grants.list({ subjectId }, { now, state: 'live' }, { limit: mostSessions }),
      store.connections.listOf(subjectId),
      store.connections.listUses(subjectId, now),
      store.subjects.listIdentities(subjectId),
      store.resources.list(),
      gateway.providers.list(),
    ])
  const known: Known = {
    providers: new Map(providers.map((provider) => [provider.id, provider])),
    resources: new Map(resources.map((resource) => [resource.id, resource])),
  }
  const waysIn = await signInProviders(gateway)
  const nameOf = (id: string) => known.providers.get(id)?.name ?? id
  const shownIdentities: IdentityShown[] = identities.map((identity) => ({
    provider: { name: nameOf(identity.provider) },
    label: identity.label,
    lastSignInAt: identity.lastSignInAt,
    ...(isSpare(identity, identities, waysIn) ? { fields: identityFields(identity) } : {}),
  }))
  return accountPage({
    person: { label: await personLabel(gateway, subjectId) },
    access: await accessShown(gateway, { given, all }, known),
    accounts: accountsShown(connections, uses, known),
    identities: shownIdentities,
    linkable: waysIn.map(({ id, name }) => ({ id, name })),
    ...(notice === undefined ? {} : { notice }),
    now,
    issuerHost: issuerHost(gateway),
    action: accountUrl(gateway),
    fields: { proof },
  })
}

async function accessShown(
  gateway: Gateway,
  { given, all }: { given: readonly Grant[]; all: readonly Grant[] },
  { resources }: Known,
): Promise<AccessShown[]> {
  const pairs = Map.groupBy(given, ({ clientId, resourceId }) => JSON.stringify([clientId, resourceId]))
  return await Promise.all(
    [...pairs.values()].map(async (sessions) => {
      const [{ clientId, resourceId }] = sessions as [Grant, ...Grant[]]
      const client = await gateway.store.clients.find(clientId, gateway.clock())
      const name = client?.metadata.client_name
      const resource = resourceId === null ? undefined : resources.get(resourceId)
      return {
        client: name === undefined ? {} : { name },
        ...(resource ? { mcpServer: mcpServerShown(resource) } : {}),
        called: calledFrom(sessions, all).flatMap((id) => {
          const called = resources.get(id)
          return called ? mcpServerShown(called) : []
        }),
        sinceAt: Math.min(...sessions.map(({ createdAt }) => createdAt)),
        lastUsedAt: Math.max(...sessions.map(({ lastUsedAt }) => lastUsedAt)),
        fields: { client_id: clientId, resource_id: resourceId ?? '' },
      }
    }),
  )
}

/** The ids of the resources that were called on the way that began with these sessions. */
function calledFrom(sessions: readonly Grant[], all: readonly Grant[]): string[] {
  const ids = new Set(sessions.map(({ id }) => id))
  const next = all.filter(({ parentId }) => parentId !== null && ids.has(parentId))
  if (next.length === 0) return []
  return [...new Set([...next.flatMap(({ resourceId }) => resourceId ?? []), ...calledFrom(next, all)])]
}

function accountsShown(
  connections: readonly Connection[],
  uses: readonly ConnectionUse[],
  known: Known,
): ProviderAccountShown[] {
  const accounts = Map.groupBy(connections, ({ accountId }) => accountId)
  return [...accounts].map(([accountId, held]) => {
    const [{ provider, accountLabel }] = held as [Connection, ...Connection[]]
    return {
      provider: { name: known.providers.get(provider)?.name ?? provider },
      label: accountLabel,
      connections: held.map((connection) => connectionShown(connection, uses, known)),
      fields: { account_id: accountId },
    }
  })
}

function connectionShown(
  connection: Connection,
  uses: readonly ConnectionUse[],
  { providers, resources }: Known,
): ConnectionShown {
  const provider = providers.get(connection.provider)
  const mine = uses.filter(({ connectionId }) => connectionId === connection.id)
  const users = new Map(mine.map((use) => [`${use.resourceId} ${use.siteId}`, use]))
  const by = resources.get(connection.lastUsedBy ?? '')?.document.name
  return {
    ...rightsOf(provider, connection),
    state: connection.status === 'live' ? 'live' : 'ended',
    usedBy: [...users.values()].flatMap((use) => useShown(connection, use, resources)),
    ...(connection.lastUsedAt === null
      ? {}
      : { lastUsed: { at: connection.lastUsedAt, ...(by === undefined ? {} : { by: { name: by } }) } }),
    fields: { connection_id: connection.id },
  }
}

function useShown(
  { sites }: Connection,
  { resourceId, siteId }: ConnectionUse,
  resources: Known['resources'],
): UseShown[] {
  const name = resources.get(resourceId ?? '')?.document.name
  if (name === undefined) return []
  const pinned = pinnedSite(siteId, sites ?? undefined)
  if (pinned.outcome === 'gone') return [{ name, siteIs: 'gone' }]
  return [{ name, ...(pinned.outcome === 'site' && { site: pinned.site.name }) }]
}

function rightsOf(provider: Provider | undefined, { scopes, sealedRefreshToken }: Connection) {
  if (!provider) return { rights: scopes.map((scope) => ({ scope })), identityScopes: [] }
  const { stayConnected, ...rights } = rightsShown(provider, scopes)
  return sealedRefreshToken === null || !stayConnected ? rights : { ...rights, stayConnected }
}
