import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { signIn, subjectOfIdentity } from '../../grants/sign-in.ts'
import { findBrowserSession, startBrowserSession } from '../../http/browser-session.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { sendPage } from '../../http/send-page.ts'
import { issuerHost, personLabel } from '../../http/shown.ts'
import { sha256 } from '../../lib/secret.ts'
import { wrongAccountPage } from '../../pages/wrong-account.ts'
import type { Leg } from '../../storage/documents.ts'
import type { ClientInteraction } from '../../storage/interactions.ts'
import { admitted } from '../../upstream/admission.ts'
import { accountId } from '../../upstream/connection-record.ts'
import type { UpstreamIdentity } from '../../upstream/identity.ts'
import type { Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure, UpstreamTokens } from '../../upstream/tokens.ts'
import { endInteraction, endWithFailure } from './failure.ts'
import { keep, proceed } from './keep.ts'
import type { Plan } from './plan.ts'

/** A callback that is certain to be ours: this browser's, this provider's, this state, for the first time. */
export type Return = { plan: Plan; provider: Provider; leg: Leg }
export type Arrival = Return & { identity: UpstreamIdentity; tokens: UpstreamTokens }

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
  if (!maySignIn || !admitted(provider, identity)) {
    await recordRefusedSignIn(gateway, arrival, 'not_admitted')
    await discard(gateway, arrival)
    return await fail(gateway, request, reply, arrival, { kind: 'policy', code: 'not_admitted' })
  }
  const expected = await expectedSubject(gateway, interaction)
  if (expected !== undefined && (await subjectOfIdentity(gateway.store, provider, identity)) !== expected) {
    gateway.meter.count('signIns', { provider: provider.id, outcome: 'wrong_account' })
    await discard(gateway, arrival)
    const label = await personLabel(gateway, expected)
    return showWrongAccount(gateway, reply, arrival, { expectedBy: 'connection', expected: label })
  }
  const now = gateway.clock()
  const subject = await signIn(gateway.store, provider, identity, now)
  if (!subject.enabled) {
    await recordRefusedSignIn(gateway, arrival, 'subject_disabled', subject.id)
    await discard(gateway, arrival)
    return await fail(gateway, request, reply, arrival, { kind: 'policy', code: 'subject_disabled' })
  }
  gateway.meter.count('signIns', { provider: provider.id, outcome: 'signed_in' })
  const authTime = authTimeOf(arrival.tokens, now)
  const session = await findBrowserSession(gateway, request)
  const switchesAccount = session !== undefined && session.subjectId !== subject.id
  if (!switchesAccount) {
    await startBrowserSession(gateway, request, reply, {
      subjectId: subject.id,
      provider,
      at: authTime,
    })
  }
  const signedIn = { subjectId: subject.id, authTime, signInProvider: provider.id, switchesAccount }
  // Nothing is kept before the person says that the switch is meant, nor of another account than a link is there
  // for: they will go there once more.
  const isKept = arrival.leg.keep === 'tokens' && !switchesAccount && isWanted(arrival, subject.id)
  if (!isKept) {
    if (arrival.leg.keep === 'tokens') await discard(gateway, arrival, subject.id)
    return await proceed(gateway, reply, plan, signedIn)
  }
  return await keep(gateway, reply, arrival, subject.id, signedIn)
}

/** Once in a while for each account, since whoever has one there may try for as long as they like. */
async function recordRefusedSignIn(
  { store, clock, refusals }: Gateway,
  { provider, identity, plan }: Arrival,
  outcome: 'not_admitted' | 'subject_disabled',
  subjectId?: string,
): Promise<void> {
  const key = sha256([outcome, provider.id, identity.issuer, identity.subject].join(' '))
  if (refusals.knows(key)) return
  refusals.note(key)
  await store.auditEvents.create(
    auditEvent(clock(), {
      event: 'subject.refused',
      outcome,
      actor: 'gateway',
      subjectId,
      provider: provider.id,
      clientId: plan.client.id,
      resourceId: plan.resource?.id,
      detail: { issuer: identity.issuer, upstream_subject: identity.subject },
    }),
  )
}

/** What was brought is not kept, so that nobody may have it: the provider is told. */
async function discard(gateway: Gateway, arrival: Arrival, subjectId?: string): Promise<void> {
  const { provider, tokens, identity } = arrival
  await gateway.revocations.discard(provider, {
    tokens,
    identity,
    ...(subjectId !== undefined && { subjectId }),
  })
}

/** When the person really signed in, where the provider tells: it may have remembered them for days. */
export function authTimeOf({ idTokenClaims }: UpstreamTokens, now: number): number {
  const told = idTokenClaims?.auth_time
  return typeof told === 'number' && Number.isSafeInteger(told) && told > 0 ? Math.min(told, now) : now
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
    await discard(gateway, arrival)
    throw new PageRefusal(400, { kind: 'expired' })
  }
  const { subjectId } = plan.person
  // An account that signs in somebody else here is that person's.
  const owner = await subjectOfIdentity(gateway.store, provider, identity)
  if (owner !== undefined && owner !== subjectId) {
    await discard(gateway, arrival, subjectId)
    await endInteraction(gateway, plan, 'account_of_somebody_else')
    throw new PageRefusal(409, { kind: 'account of somebody else', providerName: provider.name })
  }
  if (!isWanted(arrival, subjectId)) {
    await discard(gateway, arrival, subjectId)
    const expected = await labelOfWanted(gateway, plan.interaction)
    return showWrongAccount(gateway, reply, arrival, { expectedBy: 'connection', expected })
  }
  return await keep(gateway, reply, arrival, subjectId, {})
}

/** Whether this is the account a connect link is there for; `new` is none that signs the person in. */
function isWanted({ plan, provider, identity, leg }: Arrival, subjectId: string): boolean {
  const { request } = plan.interaction
  if (request.kind === 'authorization' || request.accountId === undefined) return true
  if (request.accountId === 'new') return leg.purpose === 'connect'
  const { issuer, subject: upstreamSubject } = identity
  return request.accountId === accountId({ subjectId, provider: provider.id, issuer, upstreamSubject })
}

async function labelOfWanted(gateway: Gateway, { request }: ClientInteraction): Promise<string> {
  if (request.kind === 'authorization') return ''
  const held = await gateway.store.connections.listForGrant(request.grantId)
  const wanted = held.find((connection) => connection.accountId === request.accountId)
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
