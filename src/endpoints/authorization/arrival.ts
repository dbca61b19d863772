import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { signIn, subjectOfIdentity } from '../../grants/sign-in.ts'
import { findBrowserSession, signInBrowser } from '../../http/browser-session.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { sendPage } from '../../http/send-page.ts'
import { issuerHost, personLabel } from '../../http/shown.ts'
import { wrongAccountPage } from '../../pages/wrong-account.ts'
import type { Connection } from '../../storage/connections.ts'
import type { ConnectRequest, Leg } from '../../storage/documents.ts'
import type { ClientInteraction } from '../../storage/interactions.ts'
import { admitted } from '../../upstream/admission.ts'
import { accountId } from '../../upstream/connection-record.ts'
import type { Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure } from '../../upstream/tokens.ts'
import { type Arrived, acrOf, authTimeOf, discard, recordRefusedSignIn } from './brought.ts'
import { endInteraction, endWithFailure } from './failure.ts'
import { keep, proceed } from './keep.ts'
import type { Plan } from './plan.ts'

/** A callback that is certain to be ours: this browser's, this provider's, this state, for the first time. */
export type Return = { plan: Plan; provider: Provider; leg: Leg }
export type Arrival = Return & Arrived

export async function fail(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  { plan, provider, leg }: Return,
  failure: UpstreamFailure,
): Promise<FastifyReply> {
  if (leg.purpose === 'sign_in') {
    gateway.meter.count('signIns', { provider: provider.id, outcome: failure.kind })
  }
  request.log.warn({ provider: provider.id, failure }, 'a trip to a provider failed')
  return await endWithFailure(gateway, reply, plan, provider, failure)
}

/** Somebody signed in at a provider: whoever it is, this is how they are known here from now on. */
export async function finishSignIn(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  arrival: Arrival,
): Promise<FastifyReply> {
  const { plan, provider, identity } = arrival
  const { interaction } = plan
  const maySignIn = plan.candidates.some(({ id }) => id === provider.id)
  const about = { clientId: plan.client.id, resourceId: plan.resource?.id }
  if (!maySignIn || !admitted(provider, identity)) {
    await recordRefusedSignIn(gateway, provider, identity, { outcome: 'not_admitted', ...about })
    await discard(gateway, provider, arrival)
    return await fail(gateway, request, reply, arrival, { kind: 'policy', code: 'not_admitted' })
  }
  const expected = await expectedSubject(gateway, interaction)
  if (expected !== undefined && (await subjectOfIdentity(gateway.store, provider, identity)) !== expected) {
    gateway.meter.count('signIns', { provider: provider.id, outcome: 'wrong_account' })
    const refused = { outcome: 'wrong_account', subjectId: expected, ...about } as const
    await recordRefusedSignIn(gateway, provider, identity, refused)
    await discard(gateway, provider, arrival)
    const label = await personLabel(gateway, expected)
    return showWrongAccount(gateway, reply, arrival, { expectedBy: 'connection', expected: label })
  }
  const now = gateway.clock()
  const subject = await signIn(gateway.store, provider, identity, now)
  if (!subject.enabled) {
    const refused = { outcome: 'subject_disabled', subjectId: subject.id, ...about } as const
    await recordRefusedSignIn(gateway, provider, identity, refused)
    await discard(gateway, provider, arrival)
    return await fail(gateway, request, reply, arrival, { kind: 'policy', code: 'subject_disabled' })
  }
  gateway.meter.count('signIns', { provider: provider.id, outcome: 'signed_in' })
  const authTime = authTimeOf(arrival.tokens, now)
  const session = await findBrowserSession(gateway, request)
  const switchesAccount = session !== undefined && session.subjectId !== subject.id
  if (!switchesAccount) {
    const signedIn = { subjectId: subject.id, provider, at: authTime, identity }
    if (!(await signInBrowser(gateway, request, reply, signedIn))) {
      await discard(gateway, provider, arrival)
      throw new PageRefusal(400, { kind: 'expired' })
    }
  }
  const signedIn = {
    subjectId: subject.id,
    authTime,
    acr: acrOf(provider, arrival.tokens),
    signInProvider: provider.id,
    switchesAccount,
    ...(switchesAccount && { request: { ...interaction.request, restedOn: provider.signInHash } }),
  }
  // Nothing is kept before the person says that the switch is meant, nor of another account than a link is there
  // for: they will go there once more.
  const isKept =
    arrival.leg.keep === 'tokens' && !switchesAccount && (await isWanted(gateway, arrival, subject.id))
  if (!isKept) {
    if (arrival.leg.keep === 'tokens') await discard(gateway, provider, arrival, subject.id)
    return await proceed(gateway, reply, plan, signedIn)
  }
  return await keep(gateway, reply, arrival, subject.id, signedIn)
}

/** A connect link is its subject's alone; an authorization is whoever's it turns out to be. */
async function expectedSubject(
  gateway: Gateway,
  { request }: ClientInteraction,
): Promise<string | undefined> {
  if (request.kind === 'authorization') return undefined
  return (await gateway.store.grants.find(request.grantId))?.subjectId
}

/** A person who is known connected an account. */
export async function finishConnect(
  gateway: Gateway,
  reply: FastifyReply,
  arrival: Arrival,
): Promise<FastifyReply> {
  const { plan, provider, identity } = arrival
  if (!plan.person) {
    await discard(gateway, provider, arrival)
    throw new PageRefusal(400, { kind: 'expired' })
  }
  const { subjectId } = plan.person
  // An account that signs in somebody else here is that person's.
  const owner = await subjectOfIdentity(gateway.store, provider, identity)
  const about = { subjectId, clientId: plan.client.id, resourceId: plan.resource?.id }
  if (owner !== undefined && owner !== subjectId) {
    const refused = { outcome: 'account_of_somebody_else', ...about } as const
    await recordRefusedSignIn(gateway, provider, identity, refused)
    await discard(gateway, provider, arrival, subjectId)
    await endInteraction(gateway, plan, 'account_of_somebody_else')
    throw new PageRefusal(409, { kind: 'account of somebody else', providerName: provider.name })
  }
  if (!(await isWanted(gateway, arrival, subjectId))) {
    await recordRefusedSignIn(gateway, provider, identity, { outcome: 'wrong_account', ...about })
    await discard(gateway, provider, arrival, subjectId)
    const expected = await labelOfWanted(gateway, plan.interaction)
    return showWrongAccount(gateway, reply, arrival, { expectedBy: 'connection', expected })
  }
  return await keep(gateway, reply, arrival, subjectId, {})
}

/**
 * Whether this is the account a connect link is there for: `new` is none that signs the person in. One for no account in
 * particular brings the session's first, or one it has: a second account is only ever added on purpose.
 */
async function isWanted(
  gateway: Gateway,
  { plan, provider, identity, leg }: Arrival,
  subjectId: string,
): Promise<boolean> {
  const { request } = plan.interaction
  if (request.kind === 'authorization') return true
  if (request.accountId === 'new') return leg.purpose === 'connect'
  const { issuer, subject: upstreamSubject } = identity
  const brought = accountId({ subjectId, provider: provider.id, issuer, upstreamSubject })
  if (request.accountId !== undefined) return request.accountId === brought
  const held = await heldBy(gateway, request)
  return held.length === 0 || held.some((connection) => connection.accountId === brought)
}

async function heldBy({ store }: Gateway, { grantId, provider }: ConnectRequest): Promise<Connection[]> {
  const held = await store.connections.listForGrant(grantId)
  return held.filter((connection) => connection.provider === provider)
}

async function labelOfWanted(gateway: Gateway, { request }: ClientInteraction): Promise<string> {
  if (request.kind === 'authorization') return ''
  const held = await heldBy(gateway, request)
  const wanted = held.find(({ accountId }) => [undefined, accountId].includes(request.accountId))
  return wanted?.accountLabel ?? 'another account'
}

function showWrongAccount(
  gateway: Gateway,
  reply: FastifyReply,
  { plan, provider, identity }: Arrival,
  shown: { expectedBy: 'person' | 'connection'; expected: string },
): FastifyReply {
  return sendPage(
    reply,
    wrongAccountPage({
      ...shown,
      provider: { name: provider.name },
      returned: identity.label,
      issuerHost: issuerHost(gateway),
      action: interactionUrl(gateway, plan.interaction.id),
      fields: {},
    }),
    409,
  )
}
