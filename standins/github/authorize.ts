import type { Decision } from '../kit/browser.ts'
import { type Call, html, type Reply } from '../kit/exchange.ts'
import { type Brand, consentPage, errorPage } from '../kit/page.ts'
import { type Challenge, readChallenge } from '../kit/pkce.ts'
import { redirectAllowed } from './redirect-uri.ts'
import { allows, normalised, readScopes, wantsOffline } from './scopes.ts'
import type { GithubClient, GithubState, GithubUser } from './state.ts'

const brand: Brand = { name: 'GitHub', color: '#1f2328' }

const troubleshooting =
  'https://docs.github.com/apps/managing-oauth-apps/troubleshooting-authorization-request-errors'

const descriptions = {
  access_denied: 'The user has denied your application access.',
  application_suspended: 'Your application has been suspended. Contact support.',
  redirect_uri_mismatch: 'The redirect_uri MUST match the registered callback URL for this application.',
}

/** A request that may be shown to a person. */
type Request = { client: GithubClient; callback: string; challenge: Challenge | undefined; call: Call }

const ownerOf = (client: GithubClient, user: GithubUser) => ({
  clientId: client.clientId,
  user: String(user.id),
})

const badRequest = (detail: string) => html(400, errorPage(brand, 'This request cannot be used', detail))

function refuse(state: GithubState, call: Call, callback: string, error: keyof typeof descriptions): Reply {
  return state.core.callbacks.redirect(callback, {
    error,
    error_description: descriptions[error],
    error_uri: `${troubleshooting}/#${error.replaceAll('_', '-')}`,
    state: call.query.state,
  })
}

/** `GET` is where the client sends the browser, `POST` is the consent page coming back. */
export function authorize(state: GithubState, call: Call): Reply {
  const client = state.clients.get(call.query.client_id ?? '')
  if (!client) return html(404, errorPage(brand, 'Page not found', 'There is no app with this client_id.'))
  if (call.repeated.length > 0) return badRequest(`Given more than once: ${call.repeated.join(', ')}`)

  const registered = client.redirectUris[0]?.uri ?? ''
  const requested = call.query.redirect_uri
  if (requested !== undefined && !redirectAllowed(client.redirectUris, requested)) {
    return refuse(state, call, registered, 'redirect_uri_mismatch')
  }
  const callback = requested ?? registered
  if (client.suspended) return refuse(state, call, callback, 'application_suspended')
  const challenge = readChallenge(call, ['S256'])
  if (challenge === 'malformed') return badRequest('PKCE takes a code_challenge with its method, S256.')

  return decide(state, { client, callback, challenge, call })
}

function decide(state: GithubState, request: Request): Reply {
  const decision = silentApproval(state, request) ?? state.core.browser.decide(request.call)
  switch (decision.kind) {
    case 'ask':
      return askForConsent(state, request)
    case 'deny':
      return refuse(state, request.call, request.callback, 'access_denied')
    case 'approve':
      return approve(state, request, decision)
  }
}

/** An empty scope silently gives everything this user ever granted the app; GitHub Apps have no scopes. */
function requestedScopes(state: GithubState, { client, call }: Request, user: GithubUser): string[] {
  if (client.kind === 'github-app') return []
  const asked = readScopes(call.query.scope)
  return asked.length > 0 ? asked : (state.tokens.grantedScopes(ownerOf(client, user)) ?? [])
}

/** A user who already granted all of this is not asked again, unless the request wants an account chosen. */
function silentApproval(state: GithubState, request: Request): Decision | undefined {
  const { browser } = state.core
  const user = state.users.find(browser.signedIn(request.call))
  if (request.call.method !== 'GET' || browser.script.answer === 'deny' || !user) return undefined
  if (browser.script.unticked.length > 0 || request.call.query.prompt === 'select_account') return undefined
  const granted = state.tokens.grantedScopes(ownerOf(request.client, user))
  if (!granted || !requestedScopes(state, request, user).every((scope) => allows(granted, scope))) {
    return undefined
  }
  return { kind: 'approve', user: String(user.id), unticked: [], fromPage: false }
}

/** `login` is GitHub's login hint. */
function askForConsent({ core, users }: GithubState, { client, call }: Request): Reply {
  const hinted = users.findByAlias(call.query.login)
  const page = consentPage(call, {
    brand,
    clientName: client.name,
    users: users.choices(),
    selectedUser: hinted ? users.idOf(hinted) : core.browser.signedIn(call),
    scopes: client.kind === 'github-app' ? [] : readScopes(call.query.scope),
  })
  return html(200, page)
}

function approve(
  state: GithubState,
  request: Request,
  decision: Extract<Decision, { kind: 'approve' }>,
): Reply {
  const { client, callback, challenge, call } = request
  const user = state.users.find(decision.user)
  if (!user) return badRequest('There is no such account.')
  const scopes = requestedScopes(state, request, user).filter((scope) => !decision.unticked.includes(scope))
  const owner = ownerOf(client, user)
  state.tokens.rememberGrant(owner, scopes)

  const code = state.core.ids.hex(20)
  state.codes.save(code, {
    ...owner,
    redirectUri: call.query.redirect_uri,
    challenge,
    details: { scopes: normalised(scopes), offline: wantsOffline(call.query.scope) },
  })
  const parameters = { code, state: call.query.state }
  return state.core.callbacks.redirect(callback, parameters, state.core.browser.remember(decision))
}
