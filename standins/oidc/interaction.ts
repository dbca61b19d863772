import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provider } from 'oidc-provider'
import { answerOf } from '../kit/browser.ts'
import { type Call, html, type Reply, redirect } from '../kit/exchange.ts'
import { type Brand, consentPage } from '../kit/page.ts'
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
  const { params } = await provider.interactionDetails(request, response)
  const clientId = asText(params.client_id)
  const scope = asText(params.scope)
  const answer = answerOf(state.core.person, 'oidc', call)
  switch (answer.kind) {
    case 'ask':
      return html(200, page(state, call, clientId, asText(params.login_hint)))
    case 'deny': {
      const result = { error: 'access_denied', error_description: 'End-User aborted interaction' }
      return redirect(await provider.interactionResult(request, response, result))
    }
    case 'approve': {
      const grant = new provider.Grant({ accountId: answer.user, clientId })
      grant.addOIDCScope(scope)
      const result = { login: { accountId: answer.user }, consent: { grantId: await grant.save() } }
      return redirect(await provider.interactionResult(request, response, result))
    }
  }
}

function page(state: OidcState, call: Call, clientId: string, hint: string): string {
  const users = [...state.users.values()]
  return consentPage({
    brand,
    clientName: state.clients.get(clientId)?.name ?? clientId,
    action: call.path,
    users: users.map((user) => ({ id: user.sub, label: user.name, hint: user.email })),
    selectedUser: users.find((user) => user.email === hint)?.sub,
    scopes: [],
  })
}
