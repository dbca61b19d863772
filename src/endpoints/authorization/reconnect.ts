import type { FastifyReply } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { allowedScopes, isReleasable } from '../../grants/asks.ts'
import { keepConnection } from '../../grants/keep-connection.ts'
import { subjectOfIdentity } from '../../grants/sign-in.ts'
import { accountPageOutdated } from '../../http/page-refusal.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { accountUrl } from '../../http/shown.ts'
import type { Connection } from '../../storage/connections.ts'
import type { AccountRequest } from '../../storage/documents.ts'
import { accountId, grantedTooMuch } from '../../upstream/connection-record.ts'
import { covers, type Provider } from '../../upstream/provider.ts'
import { type AccountTrip, refuseOwned, stopWith } from './account-end.ts'
import { anotherAccountPage } from './account-views.ts'
import { type Arrived, discard, recordRefusedSignIn } from './brought.ts'

type Trip = AccountTrip & { wish: Extract<AccountRequest, { purpose: 'reconnect' }> }

/** A person is back with an account to repair a connection of theirs with: that very account, and all its rights. */
export async function reconnect(
  gateway: Gateway,
  reply: FastifyReply,
  trip: Trip,
  arrived: Arrived,
): Promise<FastifyReply> {
  const { interaction, provider, wish } = trip
  const { identity, tokens } = arrived
  const { subjectId } = interaction
  const before = await gateway.store.connections.find(wish.connectionId)
  const wrong = await whatIsWrong(gateway, trip, before, arrived)
  if (wrong) await discard(gateway, provider, arrived, subjectId)
  if (wrong === 'gone' || !before) throw accountPageOutdated()
  if (wrong === 'of somebody else') return await refuseOwned(gateway, trip, identity)
  if (wrong === 'too few rights') {
    return await stopWith(gateway, trip, { kind: 'denied', code: 'insufficient_scope' })
  }
  if (wrong === 'another account') {
    const refused = { outcome: 'wrong_account', subjectId: before.subjectId } as const
    await recordRefusedSignIn(gateway, provider, identity, refused)
    const labels = { expected: before.accountLabel, returned: identity.label }
    return sendPage(reply, anotherAccountPage(gateway, trip, labels), 409)
  }
  const sites = await gateway.upstream.findSites(provider, tokens, wish.scopes)
  if (sites?.length === 0) {
    await discard(gateway, provider, arrived, subjectId)
    return await stopWith(gateway, trip, { kind: 'denied', code: 'no_site' })
  }
  const now = gateway.clock()
  const brought = { subjectId: before.subjectId, identity, tokens, sites }
  const kept = await keepConnection(gateway, provider, brought, now)
  const event = auditEvent(now, {
    event: 'connection.reconnected',
    actor: `subject:${before.subjectId}`,
    subjectId: before.subjectId,
    provider: provider.id,
    detail: { connection: kept.id, account: kept.accountId },
  })
  const { moved, staying } = await movedTo(gateway, provider, before, kept)
  if (tokens.unasked && moved.length === 0 && staying > 0) {
    return await stopWith(gateway, trip, { kind: 'config', code: grantedTooMuch })
  }
  const isDone = await gateway.store.completions.withRepair(interaction, moved, now, event)
  if (!isDone) throw accountPageOutdated()
  if (kept.id !== before.id && staying === 0) await forget(gateway, before, now)
  return seeOther(reply, `${accountUrl(gateway)}?done=reconnected`)
}

async function whatIsWrong(
  gateway: Gateway,
  { interaction: { subjectId }, provider, wish }: Trip,
  before: Connection | undefined,
  { identity, tokens }: Arrived,
): Promise<'gone' | 'of somebody else' | 'another account' | 'too few rights' | undefined> {
  if (subjectId === null || before?.subjectId !== subjectId) return 'gone'
  const owner = await subjectOfIdentity(gateway.store, provider, identity)
  if (owner !== undefined && owner !== subjectId) return 'of somebody else'
  const { issuer, subject: upstreamSubject } = identity
  const brought = accountId({ subjectId, provider: provider.id, issuer, upstreamSubject })
  if (brought !== before.accountId) return 'another account'
  return covers(provider, tokens.scopes, wish.scopes) ? undefined : 'too few rights'
}

/**
 * A provider may grant other rights than before, which is another connection. Sessions draw on it instead where their
 * MCP server may have all of them (promise 1); elsewhere the MCP server asks for a connection of its own.
 */
async function movedTo(gateway: Gateway, provider: Provider, before: Connection, kept: Connection) {
  if (kept.id === before.id) return { moved: [], staying: 0 }
  const all = await gateway.store.connections.listUses(before.subjectId, gateway.clock())
  const uses = all.filter(({ connectionId }) => connectionId === before.id)
  const moved = []
  for (const { grantId, resourceId, siteId } of uses) {
    const resource = resourceId === null ? undefined : await gateway.store.resources.find(resourceId)
    const allowed = resource && allowedScopes(resource, provider)
    if (!allowed || !isReleasable(provider, kept, allowed)) continue
    moved.push({
      removed: before.id,
      added: { grantId, connectionId: kept.id, provider: provider.id, siteId },
    })
  }
  return { moved, staying: uses.length - moved.length }
}

/** What no session draws on any more would be on the person's page as ended for good. */
async function forget(gateway: Gateway, { id, accountId, subjectId, provider }: Connection, now: number) {
  const actor = `subject:${subjectId}`
  const detail = { connection: id, account: accountId }
  const event = auditEvent(now, { event: 'connection.deleted', actor, subjectId, provider, detail })
  await gateway.store.removals.connection(id, now, event)
}
