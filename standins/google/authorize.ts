import type { Decision } from '../kit/browser.ts'
import { type Call, html, type Reply } from '../kit/exchange.ts'
import { type Brand, consentPage, errorPage } from '../kit/page.ts'
import { type AuthorizationRequest, readRequest } from './request.ts'
import { isSignInScope } from './scopes.ts'
import type { GoogleClient, GoogleState, GoogleUser } from './state.ts'

const brand: Brand = { name: 'Google', color: '#0b57d0' }

/** What came of a request: who agrees to which scopes, and whether the consent page was shown for it. */
type Approval = {
  user: GoogleUser
  scopes: string[]
  prompt: 'consent' | 'none'
  headers: Reply['headers']
}

/** An error Google shows on its own page; it never reaches the client. */
const pageError = (status: number, error: string) =>
  html(status, errorPage(brand, 'Access blocked', `Error ${status}: ${error}`))

/** `GET` is where the client sends the browser, `POST` is the consent page coming back. */
export function authorize(state: GoogleState, call: Call): Reply {
  const request = readRequest(state.clients, call)
  if ('error' in request) return pageError(request.status, request.error)
  if (state.switches.pageError !== 'none') return pageError(403, state.switches.pageError)
  return request.prompts.includes('none') ? answerSilently(state, request) : answerAloud(state, request)
}

function refuse({ core }: GoogleState, { redirectUri, call }: AuthorizationRequest, error: string): Reply {
  return core.callbacks.redirect(redirectUri, { error, state: call.query.state })
}

const ownerOf = (client: GoogleClient, user: GoogleUser) => ({ clientId: client.clientId, user: user.sub })

/** Whether the user agreed to all of this earlier. */
function isCovered(state: GoogleState, { client, scopes }: AuthorizationRequest, user: GoogleUser): boolean {
  const consented = state.grants.consentedScopes(ownerOf(client, user))
  return consented !== undefined && scopes.every((scope) => consented.includes(scope))
}

/** `prompt=none`: no page is ever shown. */
function answerSilently(state: GoogleState, request: AuthorizationRequest): Reply {
  const user = state.users.find(state.core.browser.signedIn(request.call))
  const hint = request.call.query.login_hint
  if (!user) return refuse(state, request, 'login_required')
  if (hint !== undefined && hint !== user.email && hint !== user.sub) {
    return refuse(state, request, 'interaction_required')
  }
  if (!isCovered(state, request, user)) return refuse(state, request, 'consent_required')
  return giveCode(state, request, { user, scopes: request.scopes, prompt: 'none', headers: {} })
}

function answerAloud(state: GoogleState, request: AuthorizationRequest): Reply {
  const { browser } = state.core
  const decision = browser.decide(request.call)
  const user = state.users.find(browser.signedIn(request.call))
  const noPageNeeded = request.prompts.length === 0 && user && isCovered(state, request, user)
  if (decision.kind === 'ask' && noPageNeeded) {
    return giveCode(state, request, { user, scopes: request.scopes, prompt: 'none', headers: {} })
  }
  switch (decision.kind) {
    case 'ask':
      return askForConsent(state, request)
    case 'deny':
      return refuse(state, request, 'access_denied')
    case 'approve':
      return approve(state, request, decision)
  }
}

/** The scopes for signing in are not up for choice. */
function askForConsent({ core, users }: GoogleState, { client, scopes, call }: AuthorizationRequest): Reply {
  const hint = call.query.login_hint
  const hinted = users.findByAlias(hint) ?? users.find(hint)
  const page = consentPage(call, {
    brand,
    clientName: client.name,
    users: users.choices(),
    selectedUser: hinted?.sub ?? core.browser.signedIn(call),
    fixedScopes: scopes.filter(isSignInScope),
    scopes: scopes.filter((scope) => !isSignInScope(scope)),
  })
  return html(200, page)
}

/** Whoever agreed to all of it earlier only picks an account, unless `prompt=consent` asks anew. */
function approve(
  state: GoogleState,
  request: AuthorizationRequest,
  decision: Extract<Decision, { kind: 'approve' }>,
): Reply {
  const user = state.users.find(decision.user)
  if (!user) return pageError(400, 'invalid_request')
  const headers = state.core.browser.remember(decision)
  if (isCovered(state, request, user) && !request.prompts.includes('consent')) {
    return giveCode(state, request, { user, scopes: request.scopes, prompt: 'none', headers })
  }
  const kept = (scope: string) => isSignInScope(scope) || !decision.unticked.includes(scope)
  const scopes = request.scopes.filter(kept)
  if (scopes.length === 0) return refuse(state, request, 'access_denied')
  return giveCode(state, request, { user, scopes, prompt: 'consent', headers })
}

/** A refresh token comes of a shown consent page only, which is the first time or `prompt=consent`. */
function giveCode(
  state: GoogleState,
  request: AuthorizationRequest,
  { user, scopes, prompt, headers }: Approval,
): Reply {
  const { client, redirectUri, challenge, call } = request
  if (client.organization !== undefined && client.organization !== user.hd) {
    return pageError(403, 'org_internal')
  }
  const owner = ownerOf(client, user)
  state.grants.rememberConsent(owner, scopes)
  const union = call.query.include_granted_scopes === 'true'
  const granted = union ? (state.grants.consentedScopes(owner) ?? []) : scopes

  const code = `4/0A${state.core.ids.text(70)}`
  const refreshable = prompt === 'consent' && call.query.access_type === 'offline'
  const details = { scopes: granted, nonce: call.query.nonce, refreshable }
  state.codes.save(code, { ...owner, redirectUri, challenge, details })
  const parameters = {
    state: call.query.state,
    code,
    scope: granted.join(' '),
    authuser: '0',
    prompt,
    hd: user.hd,
  }
  return state.core.callbacks.redirect(redirectUri, parameters, headers)
}
