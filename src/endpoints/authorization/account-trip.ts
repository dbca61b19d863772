import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { linkIdentity, signIn, subjectOfIdentity } from '../../grants/sign-in.ts'
import { findBrowserSession, startBrowserSession } from '../../http/browser-session.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { accountPageOutdated, PageRefusal } from '../../http/page-refusal.ts'
import { holderOf } from '../../http/rates.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { issuerHost, personLabel } from '../../http/shown.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { linkPage } from '../../pages/link.ts'
import { wrongAccountPage } from '../../pages/wrong-account.ts'
import type { BrowserSession } from '../../storage/browser-sessions.ts'
import type { FoundIdentity, Leg } from '../../storage/documents.ts'
import type { AccountInteraction } from '../../storage/interactions.ts'
import { admitted } from '../../upstream/admission.ts'
import type { UpstreamIdentity } from '../../upstream/identity.ts'
import { canSignIn, type Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure, UpstreamTokens } from '../../upstream/tokens.ts'
import { authTimeOf } from './arrival.ts'
import { pageFor } from './failure.ts'
import { startLeg } from './leg.ts'
import { reconnect } from './reconnect.ts'

export type Brought =
  | { outcome: 'brought'; identity: UpstreamIdentity; tokens: UpstreamTokens }
  | { outcome: 'failed'; failure: UpstreamFailure }

/** A trip that a person began on their account page, and that is back. */
export type AccountTrip = { interaction: AccountInteraction; provider: Provider; leg: Leg }

/** What begins on an account page ends there: no client waits, and no code leaves. */
export async function goOnForAccount(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: AccountInteraction,
): Promise<FastifyReply> {
  const session = await findBrowserSession(gateway, request)
  await refuseStranger(gateway, interaction, session)
  if (interaction.switchesAccount) return await showSwitch(gateway, reply, interaction, session)
  const { request: wish } = interaction
  if (wish.purpose === 'link' && wish.found) return await showFound(gateway, reply, interaction, wish.found)
  return await setOut(gateway, reply, interaction)
}

/** Linking and repairing are for whoever is signed in in this browser, from their page to the end of the trip. */
export async function refuseStranger(
  gateway: Gateway,
  { request, subjectId }: AccountInteraction,
  session: BrowserSession | undefined,
): Promise<void> {
  if (request.purpose === 'sign_in') return
  const subject = subjectId === null ? undefined : await gateway.store.subjects.find(subjectId)
  if (!subject?.enabled || session?.subjectId !== subject.id) throw accountPageOutdated()
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
  // Signing in may be silent. What is meant to be one account must not become whichever the provider remembers.
  const prompts = wish.purpose === 'sign_in' ? [] : (['select_account'] as const)
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
  await refuseStranger(gateway, trip.interaction, await findBrowserSession(gateway, request))
  if (brought.outcome === 'failed') {
    request.log.warn({ provider: trip.provider.id, failure: brought.failure }, 'a trip to a provider failed')
    return await stopWith(gateway, trip, brought.failure)
  }
  const { request: wish } = trip.interaction
  switch (wish.purpose) {
    case 'sign_in':
      return await finishSignIn(gateway, request, reply, trip, brought)
    case 'link':
      return await finishLink(gateway, reply, trip, brought)
    case 'reconnect':
      return await reconnect(gateway, reply, { ...trip, wish }, brought)
  }
}

type Arrived = Extract<Brought, { outcome: 'brought' }>

async function finishSignIn(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  trip: AccountTrip,
  { identity, tokens }: Arrived,
): Promise<FastifyReply> {
  const { provider, interaction } = trip
  const isAdmitted = canSignIn(provider) && admitted(provider, identity)
  if (!isAdmitted) return await stopWith(gateway, trip, { kind: 'policy', code: 'not_admitted' })
  const now = gateway.clock()
  const subject = await signIn(gateway.store, provider, identity, now)
  if (!subject.enabled) return await stopWith(gateway, trip, { kind: 'policy', code: 'subject_disabled' })
  const at = authTimeOf(tokens, now)
  const session = await findBrowserSession(gateway, request)
  if (session && session.subjectId !== subject.id) {
    const change = { subjectId: subject.id, authTime: at, switchesAccount: true, leg: null }
    await gateway.store.interactions.advance(interaction, change, now)
    return seeOther(reply, interactionUrl(gateway, interaction.id))
  }
  await startBrowserSession(gateway, request, reply, { subjectId: subject.id, provider, at })
  gateway.returning.note(holderOf(request), subject.id)
  return await backToAccount(gateway, reply, interaction, '')
}

/** Who came back is shown before anything is linked: a provider may have picked an account by itself. */
async function finishLink(
  gateway: Gateway,
  reply: FastifyReply,
  trip: AccountTrip,
  { identity, tokens }: Arrived,
): Promise<FastifyReply> {
  const { provider, interaction } = trip
  const isAdmitted = canSignIn(provider) && admitted(provider, identity)
  if (!isAdmitted) return await stopWith(gateway, trip, { kind: 'policy', code: 'not_admitted' })
  const owner = await subjectOfIdentity(gateway.store, provider, identity)
  if (owner !== undefined) return await ownedAlready(gateway, reply, trip, owner)
  const found: FoundIdentity = {
    provider: provider.id,
    issuer: identity.issuer,
    upstreamSubject: identity.subject,
    label: identity.label,
    email: identity.email ?? null,
    emailVerified: identity.emailVerified,
    authTime: authTimeOf(tokens, gateway.clock()),
  }
  const request = { kind: 'account', purpose: 'link', found } as const
  await gateway.store.interactions.advance(interaction, { request, leg: null }, gateway.clock())
  return seeOther(reply, interactionUrl(gateway, interaction.id))
}

async function ownedAlready(
  gateway: Gateway,
  reply: FastifyReply,
  { interaction, provider }: Pick<AccountTrip, 'interaction' | 'provider'>,
  owner: string,
): Promise<FastifyReply> {
  if (owner === interaction.subjectId) return await backToAccount(gateway, reply, interaction, 'linked')
  await end(gateway, interaction)
  const { name: providerName } = provider
  throw new PageRefusal(409, {
    kind: 'account of somebody else',
    providerName,
    begun: 'on the account page',
  })
}

/** What the person said on a page of such a trip. */
export async function decideOnAccount(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: AccountInteraction,
  { values }: Parameters,
): Promise<FastifyReply> {
  await refuseStranger(gateway, interaction, await findBrowserSession(gateway, request))
  const decision = values.get('decision')
  const { request: wish } = interaction
  if (decision === 'back') return await backToAccount(gateway, reply, interaction, '')
  if (interaction.switchesAccount && decision === 'switch') {
    return await switchPerson(gateway, request, reply, interaction)
  }
  if (wish.purpose === 'reconnect' && decision === 'switch') return await setOut(gateway, reply, interaction)
  if (wish.purpose === 'link' && wish.found && decision === 'link') {
    return await link(gateway, request, reply, interaction, wish.found)
  }
  throw accountPageOutdated()
}

async function link(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: AccountInteraction,
  found: FoundIdentity,
): Promise<FastifyReply> {
  const { subjectId } = interaction
  const provider = await gateway.providers.find(found.provider)
  if (subjectId === null || !provider || !canSignIn(provider)) throw accountPageOutdated()
  const owner = await linkIdentity(gateway.store, subjectId, found, gateway.clock())
  if (owner !== subjectId) return await ownedAlready(gateway, reply, { interaction, provider }, owner)
  await startBrowserSession(gateway, request, reply, { subjectId, provider, at: found.authTime })
  return await backToAccount(gateway, reply, interaction, 'linked')
}

async function switchPerson(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: AccountInteraction,
): Promise<FastifyReply> {
  const { subjectId, authTime, signInProvider } = interaction
  const provider = signInProvider === null ? undefined : await gateway.providers.find(signInProvider)
  if (subjectId === null || authTime === null || !provider || !canSignIn(provider))
    throw accountPageOutdated()
  const subject = await gateway.store.subjects.find(subjectId)
  if (!subject?.enabled) throw accountPageOutdated()
  await startBrowserSession(gateway, request, reply, { subjectId, provider, at: authTime })
  return await backToAccount(gateway, reply, interaction, '')
}

async function showSwitch(
  gateway: Gateway,
  reply: FastifyReply,
  interaction: AccountInteraction,
  session: BrowserSession | undefined,
): Promise<FastifyReply> {
  const { subjectId, signInProvider } = interaction
  const provider = signInProvider === null ? undefined : await gateway.providers.find(signInProvider)
  const page = wrongAccountPage({
    expectedBy: 'person',
    provider: { name: provider?.name ?? 'The provider' },
    expected: session ? await personLabel(gateway, session.subjectId) : 'somebody else',
    returned: subjectId === null ? 'somebody else' : await personLabel(gateway, subjectId),
    issuerHost: issuerHost(gateway),
    action: interactionUrl(gateway, interaction.id),
    fields: {},
  })
  return sendPage(reply, page)
}

async function showFound(
  gateway: Gateway,
  reply: FastifyReply,
  interaction: AccountInteraction,
  found: FoundIdentity,
): Promise<FastifyReply> {
  const provider = await gateway.providers.find(found.provider)
  const page = linkPage({
    provider: { name: provider?.name ?? 'The provider' },
    person: { label: await personLabel(gateway, interaction.subjectId ?? '') },
    found: { label: found.label },
    issuerHost: issuerHost(gateway),
    action: interactionUrl(gateway, interaction.id),
    fields: {},
  })
  return sendPage(reply, page)
}

export async function end(gateway: Gateway, interaction: AccountInteraction): Promise<void> {
  const now = gateway.clock()
  const ended = { completedAt: now, leg: null, legStateHash: null, sealedLegSecrets: null }
  await gateway.store.interactions.advance(interaction, ended, now)
}

async function backToAccount(
  gateway: Gateway,
  reply: FastifyReply,
  interaction: AccountInteraction,
  done: 'linked' | '',
): Promise<FastifyReply> {
  await end(gateway, interaction)
  const query = done === '' ? '' : `?done=${done}`
  return seeOther(reply, `${gateway.config.issuer}/account${query}`)
}

async function stopWith(
  gateway: Gateway,
  { interaction, provider }: Pick<AccountTrip, 'interaction' | 'provider'>,
  failure: UpstreamFailure,
): Promise<never> {
  await end(gateway, interaction)
  const status = failure.kind === 'config' ? 502 : 400
  const page = pageFor(provider, failure)
  throw new PageRefusal(
    status,
    'providerName' in page && page.kind !== 'provider misconfigured'
      ? { ...page, begun: 'on the account page' }
      : page,
  )
}
