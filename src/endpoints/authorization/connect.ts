import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { pinnedSite } from '../../grants/pinned-site.ts'
import { grantStanding } from '../../grants/standing.ts'
import { bindBrowser } from '../../http/cookies.ts'
import { beginInteraction, interactionUrl } from '../../http/interaction.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { countRequest, strayVisit } from '../../http/rates.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { accountUrl, issuerHost, mcpServerShown, personLabel, rightsShown } from '../../http/shown.ts'
import { findVisitor } from '../../http/visitor.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { sha256 } from '../../lib/secret.ts'
import { type ConnectReason, connectPage } from '../../pages/connect.ts'
import { donePage } from '../../pages/done.ts'
import type { ConnectLink } from '../../storage/connect-links.ts'
import type { HeldConnection } from '../../storage/connections.ts'
import type { Grant } from '../../storage/grants.ts'
import type { Resource } from '../../storage/resources.ts'
import type { Provider } from '../../upstream/provider.ts'

type OpenLink = {
  link: ConnectLink
  grant: Grant
  resource: Resource
  provider: Provider
  connections: HeldConnection[]
}

/** Opening a connect link only shows what it is for: link previews open links too. */
export async function showConnectLink(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  ticket: string,
): Promise<FastifyReply> {
  const { link, grant, resource, provider, connections } = await openLink(gateway, request, ticket)
  const account = connections.find(({ accountId }) => accountId === link.accountId)?.accountLabel
  const isTheirs = (await findVisitor(gateway, request))?.subjectId === grant.subjectId
  return sendPage(
    reply,
    connectPage({
      mcpServer: mcpServerShown(resource),
      provider: { id: provider.id, name: provider.name },
      reason: reasonOf(link, connections),
      ...rightsShown(provider, link.scopes),
      // Whose it is concerns nobody else: previews read links, too.
      ...(isTheirs ? { person: { label: await personLabel(gateway, grant.subjectId) } } : {}),
      ...(isTheirs && account !== undefined ? { account } : {}),
      issuerHost: issuerHost(gateway),
      action: `${gateway.config.issuer}/connect/${ticket}`,
      fields: {},
    }),
  )
}

/** Only this consumes the link: it becomes an interaction of this browser, the yes already in it. */
export async function followConnectLink(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  ticket: string,
  form: Parameters,
): Promise<FastifyReply> {
  const { link, grant, resource, provider } = await openLink(gateway, request, ticket)
  const decision = form.values.get('decision')
  if (decision === 'not-now') return sendPage(reply, unchanged(gateway, provider, resource))
  if (decision !== 'continue') throw new PageRefusal(400, { kind: 'bad request' })

  const now = gateway.clock()
  const consumed = await gateway.store.connectLinks.consume(link.ticketHash, now)
  if (!consumed) throw new PageRefusal(410, { kind: 'already used' })
  const id = await beginInteraction(gateway, {
    browserHash: bindBrowser(gateway.config, request, reply),
    clientId: grant.clientId,
    resourceId: grant.resourceId,
    request: {
      kind: 'connect',
      ticketHash: link.ticketHash,
      grantId: grant.id,
      provider: provider.id,
      scopes: link.scopes,
      ...(link.accountId === null ? {} : { accountId: link.accountId }),
    },
    consent: {
      at: now,
      scopes: [],
      providerScopes: { [provider.id]: link.scopes },
      shownHash: '',
      skipped: [],
    },
  })
  return seeOther(reply, interactionUrl(gateway, id))
}

async function openLink(gateway: Gateway, request: FastifyRequest, ticket: string): Promise<OpenLink> {
  const now = gateway.clock()
  const link = await gateway.store.connectLinks.find(sha256(ticket))
  if (!link) throw strayVisit(gateway, request, new PageRefusal(404, { kind: 'not found' }))
  countRequest(gateway, ['visits_per_connect_link', link.ticketHash])
  if (link.status !== 'pending') throw new PageRefusal(410, { kind: 'already used' })
  if (link.expiresAt <= now) throw new PageRefusal(410, { kind: 'expired' })
  const grant = await gateway.store.grants.find(link.grantId)
  const standing = grant && (await grantStanding(gateway, grant, now))
  const provider = await gateway.providers.find(link.provider)
  if (!grant || !standing?.stands || !standing.resource || !provider?.enabled) {
    throw new PageRefusal(410, { kind: 'expired' })
  }
  const held = await gateway.store.connections.listForGrant(grant.id)
  const connections = held.filter((connection) => connection.provider === provider.id)
  return { link, grant, resource: standing.resource, provider, connections }
}

function reasonOf({ accountId }: ConnectLink, connections: readonly HeldConnection[]): ConnectReason {
  if (accountId === 'new') return 'another account'
  const repaired = connections.find((connection) => connection.accountId === accountId)
  if (!repaired) return 'not connected'
  if (repaired.status !== 'live') return 'needs signing in again'
  const pinned = pinnedSite(repaired.siteId, repaired.sites ?? undefined)
  return pinned.outcome === 'gone' ? 'site gone' : 'more rights'
}

function unchanged(gateway: Gateway, provider: Provider, resource: Resource) {
  return donePage({
    outcome: 'unchanged',
    provider: { name: provider.name },
    mcpServer: { name: resource.document.name },
    issuerHost: issuerHost(gateway),
    accountUrl: accountUrl(gateway),
  })
}
