import type { Decision } from '../kit/browser.ts'
import { type Call, html, type Reply } from '../kit/exchange.ts'
import { type Brand, consentPage, errorPage } from '../kit/page.ts'
import { type Challenge, readChallenge } from '../kit/pkce.ts'
import { needsSite, readScopes } from './scopes.ts'
import type { AtlassianClient, AtlassianState, AtlassianUser } from './state.ts'

const brand: Brand = { name: 'Atlassian', color: '#0c66e4' }

const maximumScopes = 50

/** A request that may be shown to a person. */
type Request = { client: AtlassianClient; scopes: string[]; challenge: Challenge | undefined; call: Call }

/** Every mistake ends here, with status 200 and without a way back to the client. */
const deadEnd = (detail: string) => html(200, errorPage(brand, 'Something went wrong', detail))

/** Why this request ends on the error page, if it does. */
function problemOf(client: AtlassianClient, { query, repeated }: Call): string | undefined {
  const scopes = readScopes(query.scope)
  const registered = [...client.scopes, 'offline_access']
  const unregistered = scopes.filter((scope) => !registered.includes(scope))
  if (repeated.length > 0) return `given more than once: ${repeated.join(', ')}`
  if (query.redirect_uri !== client.redirectUri) return 'redirect_uri is not registered'
  if (query.response_type !== 'code') return 'response_type must be code'
  if (query.audience !== 'api.atlassian.com') return 'audience must be api.atlassian.com'
  if (query.prompt !== 'consent') return 'prompt must be consent'
  if (!query.state) return 'state is missing'
  if (scopes.length === 0 || scopes.length >= maximumScopes) return 'scope is missing or too long'
  if (unregistered.length > 0) return `not registered for this app: ${unregistered.join(' ')}`
  return undefined
}

/** `GET` is where the client sends the browser, `POST` is the consent page coming back. */
export function authorize(state: AtlassianState, call: Call): Reply {
  const client = state.clients.get(call.query.client_id ?? '')
  if (!client) return deadEnd('client_id is unknown')
  const problem = problemOf(client, call)
  if (problem) return deadEnd(problem)
  const challenge = readChallenge(call, ['S256'])
  if (challenge === 'malformed') return deadEnd('PKCE takes a code_challenge with its method, S256')
  return decide(state, { client, scopes: readScopes(call.query.scope), challenge, call })
}

function decide(state: AtlassianState, request: Request): Reply {
  const decision = state.core.browser.decide(request.call)
  switch (decision.kind) {
    case 'ask':
      return askForConsent(state, request)
    case 'deny':
      return state.core.callbacks.redirect(request.client.redirectUri, {
        error: 'access_denied',
        error_description: 'User did not authorize the request',
        state: request.call.query.state,
      })
    case 'approve':
      return approve(state, request, decision)
  }
}

function askForConsent({ core, users, sites }: AtlassianState, { client, scopes, call }: Request): Reply {
  const page = consentPage(call, {
    brand,
    clientName: client.name,
    users: users.choices(),
    selectedUser: core.browser.signedIn(call),
    fixedScopes: scopes,
    sites: needsSite(scopes) ? [...sites.values()].map(({ id, name }) => ({ id, label: name })) : [],
  })
  return html(200, page)
}

/** The sites ticked on the page, or those the control API picked; never one the person cannot open. */
function pickedSites(state: AtlassianState, { call }: Request, user: AtlassianUser): string[] {
  const own = user.sites.filter((id) => state.sites.has(id))
  if (call.method === 'POST') return own.filter((id) => call.body[`site:${id}`] !== undefined)
  const picked = state.switches.pickedSites
  return picked === null ? own.slice(0, 1) : own.filter((id) => picked.includes(id))
}

/** Sites are added to those the grant holds already; tokens issued earlier see the new ones, too. */
function approve(
  state: AtlassianState,
  request: Request,
  decision: Extract<Decision, { kind: 'approve' }>,
): Reply {
  const { client, scopes, challenge, call } = request
  const user = state.users.find(decision.user)
  if (!user) return deadEnd('There is no such account')
  const owner = { clientId: client.clientId, user: user.accountId }
  if (needsSite(scopes)) state.grants.addSites(owner, pickedSites(state, request, user))

  const code = `eyJ${state.core.ids.text(240)}`
  state.codes.save(code, { ...owner, redirectUri: client.redirectUri, challenge, details: { scopes } })
  const parameters = { state: call.query.state, code }
  return state.core.callbacks.redirect(client.redirectUri, parameters, state.core.browser.remember(decision))
}
