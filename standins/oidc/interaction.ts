import type { IncomingMessage, ServerResponse } from 'node:http'
import { errors, type Interaction, type Provider } from 'oidc-provider'
import { type Call, html, type Reply, redirect } from '../kit/exchange.ts'
import { type Brand, consentPage, errorPage } from '../kit/page.ts'
import type { OidcState } from './state.ts'

const brand: Brand = { name: 'Acme ID', color: '#6d28d9' }

const asText = (value: unknown) => (typeof value === 'string' ? value : '')

/** Signing in and consenting are one page here, or no page where the control API has decided already. */
export async function interact(
  state: OidcState,
  provider: Provider,
  call: Call,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Reply> {
  const interaction = await findInteraction(provider, request, response)
  if (!interaction) {
    return html(400, errorPage(brand, 'Nothing to decide', 'This browser has no sign-in under way here.'))
  }
  const decision = state.core.browser.decide(call)
  switch (decision.kind) {
    case 'ask':
      return html(200, page(state, call, interaction))
    case 'deny': {
      const result = { error: 'access_denied', error_description: 'End-User aborted interaction' }
      return redirect(await provider.interactionResult(request, response, result))
    }
    case 'approve': {
      const grantId = await newGrant(provider, interaction, decision.user)
      const result = {
        login: { accountId: decision.user, ...strengthOf(state, interaction, decision.user) },
        consent: { grantId },
      }
      return redirect(await provider.interactionResult(request, response, result))
    }
  }
}

async function findInteraction(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Interaction | undefined> {
  try {
    return await provider.interactionDetails(request, response)
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return undefined
    throw error
  }
}

/** The strongest sign-in sought that this person can make. */
function strengthOf({ users }: OidcState, { params }: Interaction, user: string): { acr?: string } {
  const sought = asText(params.acr_values).split(' ')
  const acr = sought.find((value) => users.find(user)?.strengths.includes(value))
  return acr === undefined ? {} : { acr }
}

async function newGrant(provider: Provider, { params }: Interaction, user: string): Promise<string> {
  const grant = new provider.Grant({ accountId: user, clientId: asText(params.client_id) })
  grant.addOIDCScope(asText(params.scope))
  return grant.save()
}

function page({ core, clients, users }: OidcState, call: Call, interaction: Interaction): string {
  const { params, session } = interaction
  const clientId = asText(params.client_id)
  const hinted = users.findByAlias(asText(params.login_hint))
  return consentPage(call, {
    brand,
    clientName: clients.get(clientId)?.name ?? clientId,
    // Whoever has a session here already only consents.
    users: users.choices().filter(({ id }) => id === (session?.accountId ?? id)),
    selectedUser: hinted?.sub ?? core.browser.signedIn(call),
    fixedScopes: asText(params.scope).split(' '),
  })
}
