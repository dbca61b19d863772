import cookie from '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { findBrowserSession } from '../../http/browser-session.ts'
import { bindBrowser, isOfBrowser } from '../../http/cookies.ts'
import { acceptFormsOnly, formAsQuery, formOf, queryOf } from '../../http/form-body.ts'
import { beginInteraction, interactionUrl, secondsToEnd } from '../../http/interaction.ts'
import { answerWithPage } from '../../http/page-errors.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { countRequest, holderOf, secondsToWait, strayVisit } from '../../http/rates.ts'
import { createReserve } from '../../http/reserve.ts'
import { requireSameOrigin } from '../../http/same-origin.ts'
import { seeOther } from '../../http/send-page.ts'
import type { Parameters } from '../../lib/parameters.ts'
import {
  type ClientInteraction,
  type Interaction,
  isOfAccount,
  isOfClient,
} from '../../storage/interactions.ts'
import { decideOnAccount, goOnForAccount } from './account-trip.ts'
import { receiveCallback } from './callback.ts'
import { followConnectLink, showConnectLink } from './connect.ts'
import { decide } from './decision.ts'
import { dispatch } from './dispatch.ts'
import { checkRequest } from './request.ts'

type ById = { Params: { id: string } }
type ByProvider = { Params: { provider: string } }
type ByTicket = { Params: { ticket: string } }

/** Everything a browser visits: the authorization endpoint, its interactions, callbacks and connect links. */
export async function authorizationEndpoints(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  await scope.register(cookie)
  acceptFormsOnly(scope)
  scope.setErrorHandler((error: Error, request, reply) => answerWithPage(gateway, error, request, reply))

  scope.get(
    '/oauth/authorize',
    async (request, reply) => await begin(gateway, request, reply, queryOf(request)),
  )
  // A form of a client's page comes without our cookies (SameSite); as a navigation it brings them.
  scope.post('/oauth/authorize', async (request, reply) =>
    seeOther(reply, `${gateway.config.issuer}/oauth/authorize?${formAsQuery(request)}`),
  )

  scope.get<ById>('/oauth/interactions/:id', async (request, reply) => {
    const interaction = await boundInteraction(gateway, request, request.params.id)
    return isOfAccount(interaction)
      ? await goOnForAccount(gateway, request, reply, interaction)
      : await dispatch(gateway, request, reply, clients(interaction))
  })
  scope.post<ById>('/oauth/interactions/:id', async (request, reply) => {
    requireSameOrigin(gateway.config.issuer, request)
    const interaction = await boundInteraction(gateway, request, request.params.id)
    return isOfAccount(interaction)
      ? await decideOnAccount(gateway, request, reply, interaction, formOf(request))
      : await decide(gateway, request, reply, clients(interaction), formOf(request))
  })

  scope.get<ByProvider>(
    '/oauth/callback/:provider',
    async (request, reply) => await receiveCallback(gateway, request, reply, request.params.provider),
  )

  scope.get<ByTicket>(
    '/connect/:ticket',
    async (request, reply) => await showConnectLink(gateway, request, reply, request.params.ticket),
  )
  scope.post<ByTicket>('/connect/:ticket', async (request, reply) => {
    requireSameOrigin(gateway.config.issuer, request)
    return await followConnectLink(gateway, request, reply, request.params.ticket, formOf(request))
  })
}

/** Persists a checked request as an interaction of this browser, and sends the browser there. */
async function begin(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  parameters: Parameters,
): Promise<FastifyReply> {
  const session = await findBrowserSession(gateway, request)
  const admit = createReserve(gateway, request, session)
  // Before anything is fetched because the request names it.
  admit(secondsToWait(gateway, [['authorizations_per_address', holderOf(request)]]))
  const checked = await checkRequest(gateway, parameters, session)
  const { client } = checked
  admit(secondsToWait(gateway, [['authorizations_per_client', client.id], ['authorizations']]))
  admit(await secondsToEnd(gateway, client.id))
  const id = await beginInteraction(gateway, {
    browserHash: bindBrowser(gateway.config, request, reply),
    clientId: client.id,
    resourceId: checked.resource?.id ?? null,
    request: checked.request,
    consent: null,
  })
  return seeOther(reply, interactionUrl(gateway, id))
}

function clients(interaction: Interaction): ClientInteraction {
  if (isOfClient(interaction)) return interaction
  throw new Error('an interaction without a client')
}

/** An interaction goes on in the browser it began in and in no other (promise 2). */
async function boundInteraction(gateway: Gateway, request: FastifyRequest, id: string): Promise<Interaction> {
  const interaction = await gateway.store.interactions.find(id, gateway.clock())
  if (!interaction) throw strayVisit(gateway, request, new PageRefusal(400, { kind: 'expired' }))
  if (!isOfBrowser(gateway.config, request, interaction)) {
    throw strayVisit(gateway, request, new PageRefusal(403, { kind: 'another browser' }))
  }
  countRequest(gateway, ['visits_per_interaction', id])
  return interaction
}
