import type { FastifyReply } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import type { ProviderAsk } from '../../grants/asks.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { seeOther } from '../../http/send-page.ts'
import { issuerHost } from '../../http/shown.ts'
import type { Html } from '../../lib/html.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { pickSitePage } from '../../pages/pick-site.ts'
import type { Connection } from '../../storage/connections.ts'
import type { Site } from '../../storage/documents.ts'
import { needsSite } from '../../upstream/sites.ts'
import { connectionFor, type Plan } from './plan.ts'

/** Which of an account's sites a session is for. `before` is what the person picked for the same purpose. */
export type SiteChoice =
  | { state: 'settled'; siteId: string | undefined }
  | { state: 'open'; account: string; sites: readonly Site[]; before: string | undefined }

/**
 * One site is nobody's question, nor is a list that the provider did not give. What was picked before is not asked
 * again where a link only mends or widens, nor where nothing else is asked.
 */
export async function siteChoice(gateway: Gateway, plan: Plan, ask: ProviderAsk): Promise<SiteChoice> {
  const { interaction, held } = plan
  const { provider } = ask
  const id = connectionFor(plan, ask, gateway.clock())
  const connection = held.find((each) => each.id === id)
  if (!connection || !needsSite(provider, connection.scopes)) return { state: 'settled', siteId: undefined }
  const earlier = await earlierPicks(gateway, plan, connection)
  // Whether it is still there is seen when the list is.
  if (!connection.sites) return { state: 'settled', siteId: earlier[0] }
  const sites = connection.sites.list
  if (sites.length < 2) return { state: 'settled', siteId: sites[0]?.id }
  const isOpen = (siteId: string | null | undefined) => sites.some((site) => site.id === siteId)
  const picked = interaction.pickedSites[provider.id]
  if (isOpen(picked)) return { state: 'settled', siteId: picked }
  const before = earlier.find(isOpen)
  const isMending = interaction.request.kind === 'connect' || interaction.consent === null
  return before !== undefined && isMending
    ? { state: 'settled', siteId: before }
    : { state: 'open', account: connection.accountLabel, sites, before }
}

/** What this session, or the person's others at the same MCP server, have of that account. */
async function earlierPicks(
  gateway: Gateway,
  { interaction: { request }, resource, held }: Plan,
  { subjectId, accountId }: Connection,
): Promise<string[]> {
  const ofAccount = held.filter((each) => each.accountId === accountId).map(({ id }) => id)
  const uses = await gateway.store.connections.listUses(subjectId, gateway.clock())
  return uses.flatMap(({ connectionId, grantId, resourceId, siteId }) => {
    const isFor = request.kind === 'connect' ? grantId === request.grantId : resourceId === resource?.id
    return isFor && siteId !== null && ofAccount.includes(connectionId) ? [siteId] : []
  })
}

/** The sites that all of a plan's connections are for, by provider. */
export async function settledSites(gateway: Gateway, plan: Plan): Promise<Record<string, string>> {
  const choices = await Promise.all(plan.asks.map((ask) => siteChoice(gateway, plan, ask)))
  const sites = plan.asks.map(({ provider }, index) => {
    const choice = choices[index]
    return choice?.state === 'settled' && choice.siteId !== undefined ? [[provider.id, choice.siteId]] : []
  })
  return Object.fromEntries(sites.flat())
}

export async function showSites(gateway: Gateway, plan: Plan, providerId: string): Promise<Html> {
  const open = await openChoice(gateway, plan, providerId)
  if (!open) throw new Error('a site is asked about where there is a choice')
  const { ask, choice } = open
  const { request, id } = plan.interaction
  return pickSitePage({
    provider: { name: ask.provider.name },
    ...(plan.resource && { mcpServer: { name: plan.resource.document.name } }),
    account: choice.account,
    sites: choice.sites,
    ...(choice.before !== undefined && { before: choice.before }),
    leave: request.kind === 'connect' ? 'back' : 'deny',
    issuerHost: issuerHost(gateway),
    action: interactionUrl(gateway, id),
    fields: { provider: providerId },
  })
}

/** What the person picked counts for whom it was asked, and only while it is on the list. */
export async function pickSite(
  gateway: Gateway,
  reply: FastifyReply,
  plan: Plan,
  { values }: Parameters,
): Promise<FastifyReply> {
  const { interaction, person } = plan
  const providerId = values.get('provider') ?? ''
  const siteId = values.get('site') ?? ''
  const open = await openChoice(gateway, plan, providerId)
  // Pressed twice, or things have moved on: what is asked now is what the person sees next.
  if (!open) return seeOther(reply, interactionUrl(gateway, interaction.id))
  if (!open.choice.sites.some(({ id }) => id === siteId)) throw new PageRefusal(400, { kind: 'bad request' })
  const pickedSites = { ...interaction.pickedSites, [providerId]: siteId }
  await gateway.store.interactions.advance(interaction, { pickedSites, ...person }, gateway.clock())
  return seeOther(reply, interactionUrl(gateway, interaction.id))
}

async function openChoice(gateway: Gateway, plan: Plan, providerId: string) {
  const ask = plan.asks.find(({ provider }) => provider.id === providerId)
  const choice = ask && (await siteChoice(gateway, plan, ask))
  return ask && choice?.state === 'open' ? { ask, choice } : undefined
}
