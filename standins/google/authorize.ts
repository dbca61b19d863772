import type { Decision } from '../kit/browser.ts'
import { type Call, html, type Reply } from '../kit/exchange.ts'
import { type Brand, consentPage, errorPage } from '../kit/page.ts'
import { type Challenge, readChallenge } from '../kit/pkce.ts'
import { isSignInScope, readScopes } from './scopes.ts'
import type { GoogleClient, GoogleState, GoogleUser } from './state.ts'

const brand: Brand = { name: 'Google', color: '#0b57d0' }

/** A request that may be shown to a person. */
type Request = {
  client: GoogleClient
  redirectUri: string
  scopes: string[]
  prompts: string[]
  challenge: Challenge | undefined
  call: Call
}

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

const promptValues = ['none', 'consent', 'select_account']

function readPrompts(parameter: string | undefined): string[] | 'malformed' {
  const prompts = (parameter ?? '').split(' ').filter((prompt) => prompt !== '')
  const unknown = prompts.some((prompt) => !promptValues.includes(prompt))
  return unknown || (prompts.includes('none') && prompts.length > 1) ? 'malformed' : prompts
}

const isOneOf = (value: string | undefined, ...allowed: string[]) =>
  value === undefined || allowed.includes(value)

/** The parameters that go wrong on Google's own page, whatever they are. */
function readParameters(client: GoogleClient, redirectUri: string, call: Call): Request | 'malformed' {
  const { scopes } = readScopes(call.query.scope)
  const challenge = readChallenge(call, ['S256', 'plain'])
  const prompts = readPrompts(call.query.prompt)
  if (scopes.length === 0 || challenge === 'malformed' || prompts === 'malformed') return 'malformed'
  if (!isOneOf(call.query.access_type, 'online', 'offline')) return 'malformed'
  if (!isOneOf(call.query.include_granted_scopes, 'true', 'false')) return 'malformed'
  return {
    client,
    redirectUri,
    scopes,
    prompts,
    challenge: challenge === 'absent' ? undefined : challenge,
    call,
  }
}

/** `GET` is where the client sends the browser, `POST` is the consent page coming back. */
export function authorize(state: GoogleState, call: Call): Reply {
  const client = state.clients.get(call.query.client_id ?? '')
  if (!client) return pageError(401, 'invalid_client')
  if (client.deleted) return pageError(401, 'deleted_client')
  if (call.repeated.length > 0) return pageError(400, 'invalid_request')
  const redirectUri = call.query.redirect_uri
  if (!redirectUri || !client.redirectUris.includes(redirectUri)) {
    return pageError(400, 'redirect_uri_mismatch')
  }
  if (call.query.response_type !== 'code') return pageError(400, 'unsupported_response_type')
  if (readScopes(call.query.scope).unknown.length > 0) return pageError(400, 'invalid_scope')
  const request = readParameters(client, redirectUri, call)
  if (request === 'malformed') return pageError(400, 'invalid_request')
  if (state.switches.pageError !== 'none') return pageError(403, state.switches.pageError)
  return request.prompts.includes('none') ? answerSilently(state, request) : answerAloud(state, request)
}

function refuse({ core }: GoogleState, { redirectUri, call }: Request, error: string): Reply {
  return core.callbacks.redirect(redirectUri, { error, state: call.query.state })
}

const ownerOf = (client: GoogleClient, user: GoogleUser) => ({ clientId: client.clientId, user: user.sub })

/** Whether the user agreed to all of this earlier. */
function isCovered(state: GoogleState, { client, scopes }: Request, user: GoogleUser): boolean {
  const consented = state.grants.consentedScopes(ownerOf(client, user))
  return consented !== undefined && scopes.every((scope) => consented.includes(scope))
}

/** `prompt=none`: no page is ever shown. */
function answerSilently(state: GoogleState, request: Request): Reply {
  const user = state.users.find(state.core.browser.signedIn(request.call))
  const hint = request.call.query.login_hint
  if (!user) return refuse(state, request, 'login_required')
  if (!isOneOf(hint, user.email, user.sub)) return refuse(state, request, 'interaction_required')
  if (!isCovered(state, request, user)) return refuse(state, request, 'consent_required')
  return giveCode(state, request, { user, scopes: request.scopes, prompt: 'none', headers: {} })
}

function answerAloud(state: GoogleState, request: Request): Reply {
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
function askForConsent({ core, users }: GoogleState, { client, scopes, call }: Request): Reply {
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
  request: Request,
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
function giveCode(state: GoogleState, request: Request, { user, scopes, prompt, headers }: Approval): Reply {
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
