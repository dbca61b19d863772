import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { accountPageOutdated } from '../../http/page-refusal.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { findVisitor } from '../../http/visitor.ts'
import type { Parameters } from '../../lib/parameters.ts'
import type { Leg } from '../../storage/documents.ts'
import type { AccountInteraction } from '../../storage/interactions.ts'
import { canSignIn, type Provider } from '../../upstream/provider.ts'
import { type AccountTrip, askAboutDeed, backToAccount, stopWith } from './account-end.ts'
import { finishLink, link } from './account-link.ts'
import { finishProof, finishSignIn, switchPerson } from './account-sign-in.ts'
import { foundPage, switchPage } from './account-views.ts'
import { type Brought, discard } from './brought.ts'
import { startLeg } from './leg.ts'
import { reconnect } from './reconnect.ts'

/** What begins on an account page ends there: no client waits, and no code leaves. */
export async function goOnForAccount(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: AccountInteraction,
): Promise<FastifyReply> {
  await refuseStranger(gateway, request, interaction)
  if (interaction.switchesAccount) return sendPage(reply, await switchPage(gateway, request, interaction))
  const { request: wish } = interaction
  if (wish.purpose === 'link' && wish.found) {
    return sendPage(reply, await foundPage(gateway, interaction, wish.found))
  }
  if (wish.purpose === 'prove' && wish.state === 'proven') return askAboutDeed(gateway, reply, interaction)
  return await setOut(gateway, reply, interaction)
}

export async function refuseStranger(
  gateway: Gateway,
  request: FastifyRequest,
  interaction: AccountInteraction,
): Promise<void> {
  if (!(await isVisitors(gateway, request, interaction))) throw accountPageOutdated()
}

/** All but signing in is for whoever is signed in in this browser, from their page to the end of the trip. */
async function isVisitors(
  gateway: Gateway,
  request: FastifyRequest,
  { request: wish, subjectId }: AccountInteraction,
): Promise<boolean> {
  if (wish.purpose === 'sign_in') return true
  return subjectId !== null && (await findVisitor(gateway, request))?.subjectId === subjectId
}

async function setOut(
  gateway: Gateway,
  reply: FastifyReply,
  interaction: AccountInteraction,
): Promise<FastifyReply> {
  const { request: wish, signInProvider } = interaction
  const id = wish.purpose === 'reconnect' ? wish.provider : signInProvider
  const provider = id === null ? undefined : await gateway.providers.find(id)
  const isUsable = provider && (wish.purpose === 'reconnect' ? provider.enabled : canSignIn(provider))
  if (!isUsable) throw accountPageOutdated()
  const prompts = promptsFor(interaction, provider)
  const started = await startLeg(gateway, interaction, provider, legOf(interaction, provider), { prompts })
  switch (started.outcome) {
    case 'started':
      return seeOther(reply, started.url.href)
    case 'overtaken':
      return seeOther(reply, interactionUrl(gateway, interaction.id))
    case 'failed':
      return await stopWith(gateway, { interaction, provider }, started.failure)
  }
}

/** Signing in may be silent. What is meant to be one account must not become whichever the provider remembers. */
function promptsFor({ request: wish }: AccountInteraction, { descriptor: { authorization } }: Provider) {
  switch (wish.purpose) {
    case 'sign_in':
      return []
    case 'prove':
      // Where a provider cannot be asked for a password, an account picked by hand is as near as it gets.
      return [authorization.prompts.login ? 'login' : 'select_account'] as const
    default:
      return ['select_account'] as const
  }
}

function legOf({ request: wish }: AccountInteraction, provider: Provider): Leg {
  if (wish.purpose !== 'reconnect') {
    return { provider: provider.id, purpose: 'sign_in', keep: 'identity', scopes: [], reconsent: false }
  }
  // A provider that gives a refresh token on the first consent only gives one again where it asks again.
  const reconsent = provider.descriptor.authorization.prompts.consent !== undefined
  return { provider: provider.id, purpose: 'connect', keep: 'tokens', scopes: wish.scopes, reconsent }
}

/** The end of a trip, and who is there then: the provider took its time. */
export async function endAccountTrip(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  trip: AccountTrip,
  brought: Brought,
): Promise<FastifyReply> {
  const { interaction, provider } = trip
  const { request: wish } = interaction
  if (!(await isVisitors(gateway, request, interaction))) {
    if (brought.outcome === 'brought') await discard(gateway, provider, brought, interaction.subjectId)
    throw accountPageOutdated()
  }
  if (brought.outcome === 'failed') {
    request.log.warn({ provider: provider.id, failure: brought.failure }, 'a trip to a provider failed')
    if (wish.purpose === 'sign_in' || wish.purpose === 'prove') {
      gateway.meter.count('signIns', { provider: provider.id, outcome: brought.failure.kind })
    }
    return await stopWith(gateway, trip, brought.failure)
  }
  switch (wish.purpose) {
    case 'sign_in':
      return await finishSignIn(gateway, request, reply, { ...trip, wish }, brought)
    case 'prove':
      return await finishProof(gateway, request, reply, { ...trip, wish }, brought)
    case 'link':
      return await finishLink(gateway, reply, trip, brought)
    case 'reconnect':
      return await reconnect(gateway, reply, { ...trip, wish }, brought)
  }
}

/** What the person said on a page of such a trip. */
export async function decideOnAccount(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: AccountInteraction,
  { values }: Parameters,
): Promise<FastifyReply> {
  await refuseStranger(gateway, request, interaction)
  const decision = values.get('decision')
  const { request: wish, switchesAccount } = interaction
  if (decision === 'back') return await backToAccount(gateway, reply, interaction, '')
  if (wish.purpose === 'sign_in' && switchesAccount && decision === 'switch') {
    return await switchPerson(gateway, request, reply, { interaction, wish })
  }
  const mayTryAgain = wish.purpose === 'reconnect' || (wish.purpose === 'prove' && wish.state === 'open')
  if (mayTryAgain && decision === 'switch') return await setOut(gateway, reply, interaction)
  if (wish.purpose === 'link' && wish.found && decision === 'link') {
    return await link(gateway, request, reply, interaction, wish.found)
  }
  throw accountPageOutdated()
}
