import type { FastifyReply } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { allowedScopes, isReleasable } from '../../grants/asks.ts'
import { keepConnection } from '../../grants/keep-connection.ts'
import { subjectOfIdentity } from '../../grants/sign-in.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { accountPageOutdated, PageRefusal } from '../../http/page-refusal.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { issuerHost } from '../../http/shown.ts'
import { wrongAccountPage } from '../../pages/wrong-account.ts'
import type { Connection } from '../../storage/connections.ts'
import type { AccountRequest } from '../../storage/documents.ts'
import type { AccountInteraction } from '../../storage/interactions.ts'
import { accountId } from '../../upstream/connection-record.ts'
import type { UpstreamIdentity } from '../../upstream/identity.ts'
import { covers, type Provider } from '../../upstream/provider.ts'
import type { UpstreamTokens } from '../../upstream/tokens.ts'

type Wish = Extract<AccountRequest, { purpose: 'reconnect' }>
type Trip = { interaction: AccountInteraction; provider: Provider; wish: Wish }

/** A person is back with an account to repair a connection of theirs with: that very account, and all its rights. */
export async function reconnect(
  gateway: Gateway,
  reply: FastifyReply,
  { interaction, provider, wish }: Trip,
  { identity, tokens }: { identity: UpstreamIdentity; tokens: UpstreamTokens },
): Promise<FastifyReply> {
  const before = await gateway.store.connections.find(wish.connectionId)
  const { subjectId } = interaction
  const discard = () =>
    gateway.revocations.discard(provider, { tokens, identity, ...(subjectId !== null && { subjectId }) })
  if (!before || subjectId === null || before.subjectId !== subjectId) {
    await discard()
    throw accountPageOutdated()
  }
  const about = { providerName: provider.name, begun: 'on the account page' } as const
  const owner = await subjectOfIdentity(gateway.store, provider, identity)
  if (owner !== undefined && owner !== subjectId) {
    await discard()
    throw new PageRefusal(409, { kind: 'account of somebody else', ...about })
  }
  const { issuer, subject: upstreamSubject } = identity
  if (accountId({ subjectId, provider: provider.id, issuer, upstreamSubject }) !== before.accountId) {
    await discard()
    return showOtherAccount(gateway, reply, { interaction, provider }, before, identity)
  }
  if (!covers(provider, tokens.scopes, wish.scopes)) {
    await discard()
    throw new PageRefusal(400, { kind: 'denied at provider', ...about })
  }
  const now = gateway.clock()
  const kept = await keepConnection(gateway, provider, { subjectId, identity, tokens }, now)
  const event = auditEvent(now, {
    event: 'connection.reconnected',
    actor: `subject:${subjectId}`,
    subjectId,
    provider: provider.id,
    detail: { connection: kept.id, account: kept.accountId },
  })
  const moved = await movedTo(gateway, provider, before, kept)
  const isDone = await gateway.store.completions.withRepair(interaction, moved, now, event)
  if (!isDone) throw accountPageOutdated()
  return seeOther(reply, `${gateway.config.issuer}/account?done=reconnected`)
}

/**
 * A provider may grant other rights than before, which is another connection. Sessions draw on it instead where their
 * MCP server may have all of them (promise 1); elsewhere the MCP server asks for a connection of its own.
 */
async function movedTo(gateway: Gateway, provider: Provider, before: Connection, kept: Connection) {
  if (kept.id === before.id) return []
  const uses = await gateway.store.connections.listUses(before.subjectId, gateway.clock())
  const moved = []
  for (const { connectionId, grantId, resourceId } of uses) {
    if (connectionId !== before.id || resourceId === null) continue
    const resource = await gateway.store.resources.find(resourceId)
    const allowed = resource && allowedScopes(resource, provider)
    if (!allowed || !isReleasable(provider, kept, allowed)) continue
    moved.push({ removed: before.id, added: { grantId, connectionId: kept.id, provider: provider.id } })
  }
  return moved
}

function showOtherAccount(
  gateway: Gateway,
  reply: FastifyReply,
  { interaction, provider }: Omit<Trip, 'wish'>,
  before: Connection,
  returned: UpstreamIdentity,
): FastifyReply {
  const page = wrongAccountPage({
    expectedBy: 'connection',
    provider: { name: provider.name },
    expected: before.accountLabel,
    returned: returned.label,
    issuerHost: issuerHost(gateway),
    action: interactionUrl(gateway, interaction.id),
    fields: {},
  })
  return sendPage(reply, page, 409)
}
