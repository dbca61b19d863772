import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { linkIdentity, subjectOfIdentity } from '../../grants/sign-in.ts'
import { startBrowserSession } from '../../http/browser-session.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { accountPageOutdated } from '../../http/page-refusal.ts'
import { seeOther } from '../../http/send-page.ts'
import type { FoundIdentity } from '../../storage/documents.ts'
import type { AccountInteraction } from '../../storage/interactions.ts'
import { canSignIn } from '../../upstream/provider.ts'
import { type AccountTrip, backToAccount, refuseOwned, refuseUnadmitted } from './account-end.ts'
import { type Arrived, authTimeOf, discard } from './brought.ts'

/** Who came back is shown before anything is linked: a provider may have picked an account by itself. */
export async function finishLink(
  gateway: Gateway,
  reply: FastifyReply,
  trip: AccountTrip,
  arrived: Arrived,
): Promise<FastifyReply> {
  await refuseUnadmitted(gateway, trip, arrived)
  const { provider, interaction } = trip
  const { identity, tokens } = arrived
  const owner = await subjectOfIdentity(gateway.store, provider, identity)
  if (owner === interaction.subjectId) return await backToAccount(gateway, reply, interaction, 'linked')
  if (owner !== undefined) {
    await discard(gateway, provider, arrived, interaction.subjectId)
    return await refuseOwned(gateway, trip, identity)
  }
  const found: FoundIdentity = {
    provider: provider.id,
    issuer: identity.issuer,
    upstreamSubject: identity.subject,
    label: identity.label,
    email: identity.email ?? null,
    emailVerified: identity.emailVerified,
    groups: identity.groups,
    authTime: authTimeOf(tokens, gateway.clock()),
    restedOn: provider.signInHash,
  }
  const request = { kind: 'account', purpose: 'link', found } as const
  await gateway.store.interactions.advance(interaction, { request, leg: null }, gateway.clock())
  return seeOther(reply, interactionUrl(gateway, interaction.id))
}

/** The person said that it is them. */
export async function link(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: AccountInteraction,
  found: FoundIdentity,
): Promise<FastifyReply> {
  const { subjectId } = interaction
  const provider = await gateway.providers.find(found.provider)
  const isAsItWas = provider && canSignIn(provider) && provider.signInHash === found.restedOn
  if (subjectId === null || !isAsItWas) throw accountPageOutdated()
  const owner = await linkIdentity(gateway.store, interaction, subjectId, found, gateway.clock())
  if (owner === undefined) throw accountPageOutdated()
  if (owner !== subjectId) {
    const identity = { issuer: found.issuer, subject: found.upstreamSubject }
    return await refuseOwned(gateway, { interaction, provider }, identity)
  }
  await startBrowserSession(gateway, request, reply, { subjectId, provider, at: found.authTime })
  return await backToAccount(gateway, reply, interaction, 'linked')
}
