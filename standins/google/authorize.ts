import { type Answer, answerOf, signedIn, signInCookie } from '../kit/browser.ts'
import { redirectBack } from '../kit/callback.ts'
import { type Call, html, type Reply } from '../kit/exchange.ts'
import { type Brand, consentPage, errorPage } from '../kit/page.ts'
import { type Challenge, isS256Challenge, isVerifier } from '../kit/pkce.ts'
import { isSignInScope, readScopes } from './scopes.ts'
import type { GoogleClient, GoogleState, GoogleUser } from './state.ts'

export const brand: Brand = { name: 'Google', color: '#0b57d0' }

/** What the checks below establish about a request. */
type Request = {
  client: GoogleClient
  redirectUri: string
  scopes: string[]
  prompts: Set<string>
  challenge: Challenge | undefined
}

/** An error Google shows on its own page; it never reaches the client. */
const pageError = (status: number, error: string) =>
  html(status, errorPage(brand, 'Access blocked', `Error ${status}: ${error}`))

const isReply = (value: Request | Reply): value is Reply => 'status' in value

function readChallenge(call: Call): Challenge | 'absent' | 'malformed' {
  const value = call.query.code_challenge
  const method = call.query.code_challenge_method ?? 'plain'
  if (value === undefined) return call.query.code_challenge_method === undefined ? 'absent' : 'malformed'
  if (method === 'S256' && isS256Challenge(value)) return { method, value }
  return method === 'plain' && isVerifier(value) ? { method, value } : 'malformed'
}

function readPrompts(call: Call): Set<string> | 'malformed' {
  const prompts = new Set((call.query.prompt ?? '').split(' ').filter((prompt) => prompt !== ''))
  const unknown = [...prompts].some((prompt) => !['none', 'consent', 'select_account'].includes(prompt))
  return unknown || (prompts.has('none') && prompts.size > 1) ? 'malformed' : prompts
}

const onOff: Record<string, string[]> = {
  access_type: ['online', 'offline'],
  include_granted_scopes: ['true', 'false'],
}

function readRequest(state: GoogleState, call: Call): Request | Reply {
  const client = state.clients.get(call.query.client_id ?? '')
  if (!client) return pageError(401, 'invalid_client')
  if (client.deleted) return pageError(401, 'deleted_client')
  if (call.repeated.length > 0) return pageError(400, 'invalid_request')
  const redirectUri = call.query.redirect_uri
  if (!redirectUri || !client.redirectUris.includes(redirectUri))
    return pageError(400, 'redirect_uri_mismatch')
  if (call.query.response_type !== 'code') return pageError(400, 'unsupported_response_type')

  const { scopes, unknown } = readScopes(call.query.scope)
  if (unknown.length > 0) return pageError(400, 'invalid_scope')
  const challenge = readChallenge(call)
  const prompts = readPrompts(call)
  const odd = Object.entries(onOff).some(
    ([name, values]) => !values.includes(call.query[name] ?? values[0] ?? ''),
  )
  if (scopes.length === 0 || challenge === 'malformed' || prompts === 'malformed' || odd) {
    return pageError(400, 'invalid_request')
  }
  if (state.switches.pageError !== 'none') return pageError(403, state.switches.pageError)
  return { client, redirectUri, scopes, prompts, challenge: challenge === 'absent' ? undefined : challenge }
}

function refuse(state: GoogleState, call: Call, request: Request, error: string): Reply {
  const parameters = { error, state: call.query.state }
  return redirectBack(state.core.callbacks, request.redirectUri, state.issuer, parameters)
}

/** `GET` is where the client sends the browser, `POST` is the consent page coming back. */
export function authorize(state: GoogleState, call: Call): Reply {
  const request = readRequest(state, call)
  if (isReply(request)) return request
  const user = state.users.get(signedIn(state.core.person, 'google', call) ?? '')
  const consented = user && state.grants.consentedScopes(request.client.clientId, user.sub)
  const covered = consented !== undefined && request.scopes.every((scope) => consented.has(scope))

  if (request.prompts.has('none')) return answerSilently(state, call, request, user, covered)
  const mustAsk = request.prompts.has('consent') || request.prompts.has('select_account')
  if (call.method === 'GET' && user && covered && !mustAsk && state.core.person.decision !== 'deny') {
    return giveCode(state, call, request, user, {
      scopes: request.scopes,
      consentShown: false,
      cookie: undefined,
    })
  }
  const answer = answerOf(state.core.person, 'google', call)
  switch (answer.kind) {
    case 'ask':
      return askForConsent(state, call, request)
    case 'deny':
      return refuse(state, call, request, 'access_denied')
    case 'approve':
      return approve(state, call, request, answer)
  }
}

function answerSilently(
  state: GoogleState,
  call: Call,
  request: Request,
  user: GoogleUser | undefined,
  covered: boolean,
): Reply {
  if (!user) return refuse(state, call, request, 'login_required')
  const hint = call.query.login_hint
  if (hint !== undefined && hint !== user.email && hint !== user.sub) {
    return refuse(state, call, request, 'interaction_required')
  }
  if (!covered) return refuse(state, call, request, 'consent_required')
  return giveCode(state, call, request, user, {
    scopes: request.scopes,
    consentShown: false,
    cookie: undefined,
  })
}

function askForConsent(state: GoogleState, call: Call, request: Request): Reply {
  const users = [...state.users.values()]
  const hint = call.query.login_hint
  const hinted = users.find((user) => user.email === hint || user.sub === hint)
  return html(
    200,
    consentPage({
      brand,
      clientName: request.client.name,
      action: `${call.path}?${new URLSearchParams(call.query as Record<string, string>)}`,
      users: users.map((user) => ({ id: user.sub, label: user.name ?? user.email, hint: user.email })),
      selectedUser: hinted?.sub ?? signedIn(state.core.person, 'google', call),
      scopes: request.scopes
        .filter((scope) => !isSignInScope(scope))
        .map((scope) => ({ id: scope, label: scope })),
    }),
  )
}

function approve(
  state: GoogleState,
  call: Call,
  request: Request,
  answer: Extract<Answer, { kind: 'approve' }>,
): Reply {
  const user = state.users.get(answer.user)
  if (!user) return pageError(400, 'invalid_request')
  const consented = state.grants.consentedScopes(request.client.clientId, user.sub)
  const covered = consented !== undefined && request.scopes.every((scope) => consented.has(scope))
  const consentShown = !covered || request.prompts.has('consent')
  const refused = (scope: string) => consentShown && answer.unticked.includes(scope) && !isSignInScope(scope)
  const scopes = request.scopes.filter((scope) => !refused(scope))
  if (scopes.length === 0) return refuse(state, call, request, 'access_denied')
  state.grants.rememberConsent(request.client.clientId, user.sub, scopes)
  const cookie = answer.fromPage ? signInCookie('google', user.sub) : undefined
  return giveCode(state, call, request, user, { scopes, consentShown, cookie })
}

/** A refresh token comes of a shown consent page only, which is the first time or `prompt=consent`. */
function giveCode(
  state: GoogleState,
  call: Call,
  request: Request,
  user: GoogleUser,
  outcome: { scopes: string[]; consentShown: boolean; cookie: string | undefined },
): Reply {
  const { client, redirectUri, challenge } = request
  if (client.organization !== undefined && client.organization !== user.hd)
    return pageError(403, 'org_internal')
  const earlier = state.grants.consentedScopes(client.clientId, user.sub) ?? new Set()
  const union = call.query.include_granted_scopes === 'true'
  const scopes = union ? [...new Set([...outcome.scopes, ...earlier])] : outcome.scopes

  const code = `4/0A${state.core.ids.text(70)}`
  const now = state.core.clock.now()
  state.core.issued.add({ kind: 'code', value: code, user: user.sub, clientId: client.clientId, at: now })
  state.codes.save(code, {
    clientId: client.clientId,
    redirectUri,
    challenge,
    details: {
      sub: user.sub,
      scopes,
      nonce: call.query.nonce,
      refreshable: outcome.consentShown && call.query.access_type === 'offline',
    },
  })
  return redirectBack(
    state.core.callbacks,
    redirectUri,
    state.issuer,
    {
      state: call.query.state,
      code,
      scope: scopes.join(' '),
      authuser: '0',
      prompt: outcome.consentShown ? 'consent' : 'none',
      hd: user.hd,
    },
    outcome.cookie === undefined ? {} : { 'set-cookie': outcome.cookie },
  )
}
