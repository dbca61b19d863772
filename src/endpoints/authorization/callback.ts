import { isDeepStrictEqual } from 'node:util'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { findBrowserSession } from '../../http/browser-session.ts'
import { isOfBrowser } from '../../http/cookies.ts'
import { rawQuery } from '../../http/form-body.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { countRequest, secondsToWait, strayVisit, tooManyRequests } from '../../http/rates.ts'
import { returningGuest } from '../../http/reserve.ts'
import { sha256 } from '../../lib/secret.ts'
import type { BrowserSession } from '../../storage/browser-sessions.ts'
import type { Leg } from '../../storage/documents.ts'
import { type Interaction, isOfAccount, isOfClient } from '../../storage/interactions.ts'
import { checkCallback } from '../../upstream/callback.ts'
import type { Provider } from '../../upstream/provider.ts'
import { endAccountTrip, refuseStranger } from './account-trip.ts'
import { type Arrival, fail, finishConnect, finishSignIn, type Return } from './arrival.ts'
import { type Arrived, type Brought, discard, noteFailedTrip } from './brought.ts'
import { callbackUri, type LegSecrets, maxAgeOf, openLegSecrets } from './leg.ts'
import { loadPlan } from './plan.ts'

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
    await noteFailedTrip(gateway, { interaction, provider }, { code: `callback_${check.reason}` })
    throw new PageRefusal(400, { kind: 'provider trouble', providerName: provider.name })
  }
  const session = await findBrowserSession(gateway, request)
  if (check.outcome !== 'error') countTrip(gateway, request, provider.id, session)

  const secrets = await openLegSecrets(gateway, interaction)
  const taken = await gateway.store.interactions.advance(
    interaction,
    { legStateHash: null, sealedLegSecrets: null },
    gateway.clock(),
  )
  if (!taken) throw new PageRefusal(400, { kind: 'already used' })
  const trip: Trip = { interaction: taken, provider, leg: interaction.leg }
  const bring = async () => {
    const brought: Brought =
      check.outcome === 'error'
        ? { outcome: 'failed', failure: check.failure }
        : await bringBack(gateway, trip, query, secrets)
    if (brought.outcome === 'failed') await noteFailedTrip(gateway, trip, brought.failure)
    return brought
  }
  if (isOfAccount(taken)) {
    await refuseStranger(gateway, request, taken)
    const brought = await bring()
    const arrived = brought.outcome === 'brought' ? brought : undefined
    const still = { interaction: taken, provider: await sameProvider(gateway, provider, arrived) }
    return await endAccountTrip(gateway, request, reply, still, brought)
  }
  if (!isOfClient(taken)) throw new PageRefusal(400, { kind: 'expired' })
  const back: Return = { plan: await loadPlan(gateway, taken, session), provider, leg: trip.leg }
  const brought = await bring()
  if (brought.outcome === 'failed') return await fail(gateway, request, reply, back, brought.failure)
  const arrival: Arrival = { ...brought, ...(await lookAgain(gateway, request, back, brought)) }
  return back.leg.purpose === 'sign_in'
    ? await finishSignIn(gateway, request, reply, arrival)
    : await finishConnect(gateway, reply, arrival)
}

type Trip = { interaction: Interaction; provider: Provider; leg: Leg }

/** Redeems what the provider sent the browser back with, and asks who that is. */
async function bringBack(
  gateway: Gateway,
  { interaction, provider, leg }: Trip,
  query: URLSearchParams,
  secrets: LegSecrets,
): Promise<Brought> {
  const exchanged = await gateway.upstream.exchangeCode(provider, {
    query,
    redirectUri: callbackUri(gateway, provider.id),
    state: query.get('state') ?? '',
    scopes: leg.scopes,
    ...maxAgeOf(interaction, leg),
    ...secrets,
  })
  if (exchanged.outcome === 'failed') return exchanged
  const identified = await gateway.upstream.identify(provider, exchanged.tokens)
  if (identified.outcome === 'failed') {
    await gateway.revocations.discard(provider, { tokens: exchanged.tokens })
    return identified
  }
  const { tokens } = exchanged
  const { identity } = identified
  // They told all they were for.
  if (leg.keep === 'identity') {
    await gateway.revocations.discard(provider, { tokens, identity, wereFor: 'identity' })
  }
  return { outcome: 'brought', identity, tokens, keep: leg.keep }
}

/**
 * Each callback is asked about at the provider, and anybody can make one up once they have begun: that must not use up
 * what the provider allows this gateway. Before the state is taken, so that the same address may be opened again.
 */
function countTrip(
  gateway: Gateway,
  request: FastifyRequest,
  provider: string,
  session: BrowserSession | undefined,
): void {
  const wait = secondsToWait(gateway, [['callbacks_per_provider', provider]])
  if (wait === 0) return
  const isReturning = returningGuest(gateway, request, session) !== undefined
  if (!isReturning) throw tooManyRequests(wait)
  countRequest(gateway, ['callbacks_per_provider', `${provider} returning`])
}

/** The provider took its time: what is kept now is kept for who and what is there now. */
async function lookAgain(
  gateway: Gateway,
  request: FastifyRequest,
  before: Return,
  brought: Arrived,
): Promise<Return> {
  const provider = await sameProvider(gateway, before.provider, brought)
  const session = await findBrowserSession(gateway, request)
  const plan = await loadPlan(gateway, before.plan.interaction, session).catch(async (error: unknown) => {
    await discard(gateway, provider, brought)
    throw error
  })
  return { ...before, plan, provider }
}

/** The provider as it is now, where that is still the one whose answer this is. */
async function sameProvider(
  gateway: Gateway,
  before: Provider,
  brought: Arrived | undefined,
): Promise<Provider> {
  const provider = await gateway.providers.find(before.id)
  const isSame =
    provider?.enabled &&
    provider.clientId === before.clientId &&
    isDeepStrictEqual(provider.descriptor.server, before.descriptor.server)
  if (isSame) return provider
  if (brought) await discard(gateway, before, brought)
  throw new PageRefusal(400, { kind: 'expired' })
}

async function boundInteraction(
  gateway: Gateway,
  request: FastifyRequest,
  query: URLSearchParams,
  providerId: string,
): Promise<Interaction> {
  const [state, ...more] = query.getAll('state')
  const stray = (status: number, kind: 'bad request' | 'expired' | 'another browser') =>
    strayVisit(gateway, request, new PageRefusal(status, { kind }))
  if (state === undefined || more.length > 0) throw stray(400, 'bad request')
  const interaction = await gateway.store.interactions.findByState(sha256(state), gateway.clock())
  if (!interaction) throw stray(400, 'expired')
  // Whoever was sent a copied link has another browser, and must not end this flow for the person either.
  if (!isOfBrowser(gateway.config, request, interaction)) throw stray(403, 'another browser')
  if (interaction.leg?.provider !== providerId) throw new PageRefusal(400, { kind: 'bad request' })
  return interaction
}
