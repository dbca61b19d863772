import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { keepConnection } from '../../grants/keep-connection.ts'
import { signIn, subjectOfIdentity } from '../../grants/sign-in.ts'
import { findBrowserSession, startBrowserSession } from '../../http/browser-session.ts'
import { cookieHash } from '../../http/cookies.ts'
import { rawQuery } from '../../http/form-body.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { sha256 } from '../../lib/secret.ts'
import { wrongAccountPage } from '../../pages/wrong-account.ts'
import type { Connection } from '../../storage/connections.ts'
import type { Leg } from '../../storage/documents.ts'
import type { Interaction, InteractionChange } from '../../storage/interactions.ts'
import { admitted } from '../../upstream/admission.ts'
import { checkCallback } from '../../upstream/callback.ts'
import { accountId } from '../../upstream/connection-record.ts'
import type { UpstreamIdentity } from '../../upstream/identity.ts'
import { covers, type Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure, UpstreamTokens } from '../../upstream/tokens.ts'
import { interactionUrl } from './dispatch.ts'
import { endInteraction, endWithFailure } from './failure.ts'
import { callbackUri, maxAgeOf, openLegSecrets, startLeg } from './leg.ts'
import { loadPlan, type Plan } from './plan.ts'
import { issuerHost, personLabel } from './views.ts'

/** A callback that is certain to be ours: this browser's, this provider's, this state, for the first time. */
type Return = { plan: Plan; provider: Provider; leg: Leg }
type Arrival = Return & { identity: UpstreamIdentity; tokens: UpstreamTokens }

/**
 * What a provider sends the browser back with. Everything is validated before the state is consumed, and
 * nothing is redeemed upstream before it is.
 */
export async function receiveCallback(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  providerId: string,
): Promise<FastifyReply> {
  const query = new URLSearchParams(rawQuery(request))
  const interaction = await boundInteraction(gateway, request, query, providerId)
  const provider = await gateway.providers.find(providerId)
  if (!provider?.enabled || !interaction.leg) throw new PageRefusal(400, { kind: 'expired' })
  const check = checkCallback(provider, query)
  if (check.outcome === 'invalid') {
    request.log.warn({ provider: providerId, reason: check.reason }, 'callback refused')
    throw new PageRefusal(400, { kind: 'provider trouble', providerName: provider.name })
  }

  const secrets = await openLegSecrets(gateway, interaction)
  const taken = await gateway.store.interactions.advance(
    interaction,
    { legStateHash: null, sealedLegSecrets: null },
    gateway.clock(),
  )
  if (!taken) throw new PageRefusal(400, { kind: 'already used' })
  const plan = await loadPlan(gateway, taken, await findBrowserSession(gateway, request))
  const back: Return = { plan, provider, leg: interaction.leg }
  if (check.outcome === 'error') return await fail(gateway, request, reply, back, check.failure)

  const exchanged = await gateway.upstream.exchangeCode(provider, {
    query,
    redirectUri: callbackUri(gateway, provider.id),
    state: query.get('state') ?? '',
    scopes: back.leg.scopes,
    ...maxAgeOf(plan.interaction, back.leg),
    ...secrets,
  })
  if (exchanged.outcome === 'failed') return await fail(gateway, request, reply, back, exchanged.failure)
  const identified = await gateway.upstream.identify(provider, exchanged.tokens)
  if (identified.outcome === 'failed') return await fail(gateway, request, reply, back, identified.failure)

  const arrival: Arrival = { ...back, identity: identified.identity, tokens: exchanged.tokens }
  return back.leg.purpose === 'sign_in'
    ? await finishSignIn(gateway, request, reply, arrival)
    : await finishConnect(gateway, reply, arrival)
}

async function boundInteraction(
  gateway: Gateway,
  request: FastifyRequest,
  query: URLSearchParams,
  providerId: string,
): Promise<Interaction> {
  const [state, ...more] = query.getAll('state')
  if (state === undefined || more.length > 0) throw new PageRefusal(400, { kind: 'bad request' })
  const interaction = await gateway.store.interactions.findByState(sha256(state), gateway.clock())
  if (!interaction) throw new PageRefusal(400, { kind: 'expired' })
  // Whoever was sent a copied link has another browser, and must not end this flow for the person either.
  if (cookieHash(gateway.config, request, 'browser') !== interaction.browserHash) {
    throw new PageRefusal(403, { kind: 'another browser' })
  }
  if (interaction.leg?.provider !== providerId) throw new PageRefusal(400, { kind: 'bad request' })
  return interaction
}

async function fail(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  { plan, provider }: Return,
  failure: UpstreamFailure,
): Promise<FastifyReply> {
  request.log.warn({ provider: provider.id, failure }, 'a trip to a provider failed')
  return await endWithFailure(gateway, reply, plan, provider, failure)
}

async function finishSignIn(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  arrival: Arrival,
): Promise<FastifyReply> {
  const { plan, provider, identity } = arrival
  const { interaction } = plan
  const maySignIn = plan.candidates.some(({ id }) => id === provider.id)
  if (!maySignIn || !admitted(provider, identity)) {
    return await fail(gateway, request, reply, arrival, { kind: 'policy', code: 'not_admitted' })
  }
  const expected = await expectedSubject(gateway, interaction)
  if (expected !== undefined && (await subjectOfIdentity(gateway.store, provider, identity)) !== expected) {
    const label = await personLabel(gateway, expected)
    return showWrongAccount(gateway, reply, arrival, { expectedBy: 'connection', expected: label })
  }
  const now = gateway.clock()
  const subject = await signIn(gateway.store, provider, identity, now)
  if (!subject.enabled) {
    return await fail(gateway, request, reply, arrival, { kind: 'policy', code: 'subject_disabled' })
  }
  const authTime = authTimeOf(arrival.tokens, now)
  const session = await findBrowserSession(gateway, request)
  const switchesAccount = session !== undefined && session.subjectId !== subject.id
  if (!switchesAccount) {
    await startBrowserSession(gateway, request, reply, {
      subjectId: subject.id,
      provider: provider.id,
      at: authTime,
    })
  }
  const signedIn = { subjectId: subject.id, authTime, signInProvider: provider.id, switchesAccount }
  // Until the person says that the switch is meant, nothing is kept: they will go there once more.
  if (arrival.leg.keep === 'identity' || switchesAccount) return await proceed(gateway, reply, plan, signedIn)
  return await keep(gateway, reply, arrival, subject.id, signedIn)
}

/** When the person really signed in, where the provider tells: it may have remembered them for days. */
function authTimeOf({ idTokenClaims }: UpstreamTokens, now: number): number {
  const told = idTokenClaims?.auth_time
  return typeof told === 'number' && Number.isSafeInteger(told) && told > 0 ? Math.min(told, now) : now
}

/** A connect link is its subject's alone; an authorization is whoever's it turns out to be. */
async function expectedSubject(gateway: Gateway, { request }: Interaction): Promise<string | undefined> {
  if (request.kind === 'authorization') return undefined
  return (await gateway.store.grants.find(request.grantId))?.subjectId
}

async function finishConnect(gateway: Gateway, reply: FastifyReply, arrival: Arrival): Promise<FastifyReply> {
  const { plan, provider, identity } = arrival
  if (!plan.person) throw new PageRefusal(400, { kind: 'expired' })
  const { subjectId } = plan.person
  // An account that signs in somebody else here is that person's.
  const owner = await subjectOfIdentity(gateway.store, provider, identity)
  if (owner !== undefined && owner !== subjectId) {
    await endInteraction(gateway, plan, 'account_of_somebody_else')
    throw new PageRefusal(409, { kind: 'account of somebody else', providerName: provider.name })
  }
  return await keep(gateway, reply, arrival, subjectId, {})
}

/** Stores what was brought, and sees whether it is what was asked for. */
async function keep(
  gateway: Gateway,
  reply: FastifyReply,
  arrival: Arrival,
  subjectId: string,
  change: InteractionChange,
): Promise<FastifyReply> {
  const { plan, provider, leg, identity, tokens } = arrival
  const { interaction } = plan
  const wrong = await wrongAccountToRepair(gateway, arrival, subjectId)
  if (wrong) return showWrongAccount(gateway, reply, arrival, { expectedBy: 'connection', expected: wrong })

  const connection = await keepConnection(gateway, provider, { subjectId, identity, tokens }, gateway.clock())
  if (lacksRefreshToken(provider, leg, tokens, connection)) {
    return await askAgain(gateway, reply, arrival, change)
  }
  if (covers(provider, connection.scopes, leg.scopes)) {
    const connected = { ...interaction.connected, [provider.id]: connection.id }
    return await proceed(gateway, reply, plan, { ...change, connected })
  }
  const person = { subjectId, authTime: gateway.clock() }
  const moved = await gateway.store.interactions.advance(
    interaction,
    { ...change, leg: null },
    gateway.clock(),
  )
  if (!moved) return seeOther(reply, interactionUrl(gateway, interaction.id))
  const failure: UpstreamFailure = { kind: 'denied', code: 'insufficient_scope' }
  return await endWithFailure(gateway, reply, { ...plan, interaction: moved, person }, provider, failure)
}

/** The label of the account a connect link is there for, where another one came back. */
async function wrongAccountToRepair(
  gateway: Gateway,
  { plan, provider, identity }: Arrival,
  subjectId: string,
): Promise<string | undefined> {
  const { request } = plan.interaction
  if (request.kind === 'authorization' || request.accountId === undefined) return undefined
  const { issuer, subject: upstreamSubject } = identity
  const returned = accountId({ subjectId, provider: provider.id, issuer, upstreamSubject })
  if (request.accountId === 'new' || request.accountId === returned) return undefined
  const held = await gateway.store.connections.listForGrant(request.grantId)
  return (
    held.find((connection) => connection.accountId === request.accountId)?.accountLabel ?? 'another account'
  )
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

async function proceed(
  gateway: Gateway,
  reply: FastifyReply,
  { interaction }: Plan,
  change: InteractionChange,
): Promise<FastifyReply> {
  await gateway.store.interactions.advance(interaction, { ...change, leg: null }, gateway.clock())
  return seeOther(reply, interactionUrl(gateway, interaction.id))
}
