import { isDeepStrictEqual } from 'node:util'
import type { FastifyReply } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { allowedScopes, isReleasable } from '../../grants/asks.ts'
import { keepConnection } from '../../grants/keep-connection.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { seeOther } from '../../http/send-page.ts'
import type { Connection } from '../../storage/connections.ts'
import type { Leg } from '../../storage/documents.ts'
import type { ClientInteraction, InteractionChange } from '../../storage/interactions.ts'
import { grantedTooMuch } from '../../upstream/connection-record.ts'
import { covers, type Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure, UpstreamTokens } from '../../upstream/tokens.ts'
import type { Arrival } from './arrival.ts'
import { endWithFailure } from './failure.ts'
import { startLeg } from './leg.ts'
import type { Plan } from './plan.ts'

/** Stores what was brought, and sees whether it is what was asked for. */
export async function keep(
  gateway: Gateway,
  reply: FastifyReply,
  arrival: Arrival,
  subjectId: string,
  change: InteractionChange,
): Promise<FastifyReply> {
  const { plan, provider, leg, identity, tokens } = arrival
  const { interaction } = plan
  const sites = await gateway.upstream.findSites(provider, tokens, leg.scopes)
  if (sites?.length === 0) {
    await gateway.revocations.discard(provider, { tokens, identity, subjectId })
    return await giveUp(gateway, reply, arrival, subjectId, change, { kind: 'denied', code: 'no_site' })
  }
  const connection = await keepConnection(
    gateway,
    provider,
    { subjectId, identity, tokens, sites },
    gateway.clock(),
  )
  const allowed = plan.resource ? allowedScopes(plan.resource, provider) : undefined
  if (tokens.unasked && !isReleasable(provider, connection, allowed ?? [])) {
    return await giveUp(gateway, reply, arrival, subjectId, change, { kind: 'config', code: grantedTooMuch })
  }
  if (lacksRefreshToken(provider, leg, tokens, connection)) {
    return await askAgain(gateway, reply, arrival, change)
  }
  if (covers(provider, connection.scopes, leg.scopes)) {
    const connected = { ...interaction.connected, [provider.id]: connection.id }
    return await proceed(gateway, reply, plan, { ...change, connected })
  }
  return await giveUp(gateway, reply, arrival, subjectId, change, {
    kind: 'denied',
    code: 'insufficient_scope',
  })
}

/** What was brought is not what was asked for, and another trip would bring the same. */
async function giveUp(
  gateway: Gateway,
  reply: FastifyReply,
  { plan, provider }: Arrival,
  subjectId: string,
  change: InteractionChange,
  failure: UpstreamFailure,
): Promise<FastifyReply> {
  const { interaction } = plan
  reply.log.warn({ provider: provider.id, failure }, 'a trip to a provider failed')
  const person = { subjectId, authTime: gateway.clock() }
  const moved = await gateway.store.interactions.advance(
    interaction,
    { ...change, leg: null },
    gateway.clock(),
  )
  if (!moved) return seeOther(reply, interactionUrl(gateway, interaction.id))
  return await endWithFailure(gateway, reply, { ...plan, interaction: moved, person }, provider, failure)
}

/** Some providers give a refresh token on the first consent only, and ours for this account may be gone. */
function lacksRefreshToken(
  provider: Provider,
  leg: Leg,
  tokens: UpstreamTokens,
  connection: Connection,
): boolean {
  const canAskAgain = provider.descriptor.authorization.prompts.consent !== undefined
  return (
    canAskAgain &&
    !leg.reconsent &&
    tokens.refreshToken === undefined &&
    connection.sealedRefreshToken === null
  )
}

async function askAgain(
  gateway: Gateway,
  reply: FastifyReply,
  { plan, provider, leg }: Arrival,
  change: InteractionChange,
): Promise<FastifyReply> {
  const moved = await gateway.store.interactions.advance(plan.interaction, change, gateway.clock())
  const started =
    moved && (await startLeg(gateway, moved, provider, { ...leg, purpose: 'connect', reconsent: true }))
  return seeOther(
    reply,
    started?.outcome === 'started' ? started.url.href : interactionUrl(gateway, plan.interaction.id),
  )
}

/**
 * Takes the next step from what is known now. Another tab may have set out on the same trip meanwhile; this one is
 * back, so that one is over, or the two would send each other on for ever.
 */
export async function proceed(
  gateway: Gateway,
  reply: FastifyReply,
  { interaction }: Plan,
  change: InteractionChange,
): Promise<FastifyReply> {
  const { interactions } = gateway.store
  const back = { ...change, leg: null, legStateHash: null, sealedLegSecrets: null }
  if (!(await interactions.advance(interaction, back, gateway.clock()))) {
    const latest = await interactions.find(interaction.id, gateway.clock())
    if (latest && isOnSameYes(latest, interaction)) await interactions.advance(latest, back, gateway.clock())
  }
  return seeOther(reply, interactionUrl(gateway, interaction.id))
}

type Yes = Pick<ClientInteraction, 'subjectId' | 'consent'>

function isOnSameYes(latest: Yes, before: Yes): boolean {
  return latest.subjectId === before.subjectId && isDeepStrictEqual(latest.consent, before.consent)
}
