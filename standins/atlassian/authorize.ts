import { type Answer, answerOf, signedIn, signInCookie } from '../kit/browser.ts'
import { redirectBack } from '../kit/callback.ts'
import { type Call, html, type Reply } from '../kit/exchange.ts'
import { type Brand, consentPage, errorPage } from '../kit/page.ts'
import { type Challenge, isS256Challenge } from '../kit/pkce.ts'
import { needsSite, readScopes } from './scopes.ts'
import type { AtlassianClient, AtlassianState, AtlassianUser } from './state.ts'

export const brand: Brand = { name: 'Atlassian', color: '#0c66e4' }

export const audience = 'api.atlassian.com'

const maximumScopes = 50

/** Every mistake ends here, with status 200 and without a way back to the client. */
const deadEnd = (detail: string) => html(200, errorPage(brand, 'Something went wrong', detail))

/** Why this request ends on the error page, if it does. */
function problemOf(client: AtlassianClient, call: Call): string | undefined {
  const { query } = call
  const scopes = readScopes(query.scope)
  const registered = [...client.scopes, 'offline_access']
  const unregistered = scopes.filter((scope) => !registered.includes(scope))
  if (call.repeated.length > 0) return `given more than once: ${call.repeated.join(', ')}`
  if (query.redirect_uri !== client.redirectUri) return 'redirect_uri is not registered'
  if (query.response_type !== 'code') return 'response_type must be code'
  if (query.audience !== audience) return `audience must be ${audience}`
  if (query.prompt !== 'consent') return 'prompt must be consent'
  if (!query.state) return 'state is missing'
  if (scopes.length === 0 || scopes.length > maximumScopes) return 'scope is missing or too long'
  if (unregistered.length > 0) return `scope is not registered for this app: ${unregistered.join(' ')}`
  return undefined
}

function readChallenge(call: Call): Challenge | 'absent' | 'malformed' {
  const value = call.query.code_challenge
  const method = call.query.code_challenge_method
  if (value === undefined && method === undefined) return 'absent'
  return value !== undefined && method === 'S256' && isS256Challenge(value) ? { method, value } : 'malformed'
}

/** `GET` is where the client sends the browser, `POST` is the consent page coming back. */
export function authorize(state: AtlassianState, call: Call): Reply {
  const client = state.clients.get(call.query.client_id ?? '')
  if (!client) return deadEnd('client_id is unknown')
  const problem = problemOf(client, call)
  const challenge = readChallenge(call)
  if (problem) return deadEnd(problem)
  if (challenge === 'malformed') return deadEnd('PKCE needs code_challenge and code_challenge_method=S256')

  const answer = answerOf(state.core.person, 'atlassian', call)
  switch (answer.kind) {
    case 'ask':
      return askForConsent(state, client, call)
    case 'deny':
      return redirectBack(state.core.callbacks, client.redirectUri, state.auth, {
        error: 'access_denied',
        error_description: 'User did not authorize the request',
        state: call.query.state,
      })
    case 'approve':
      return approve(state, client, call, challenge === 'absent' ? undefined : challenge, answer)
  }
}

function sitesOf(state: AtlassianState, user: AtlassianUser) {
  return user.sites.flatMap((id) => state.sites.get(id) ?? [])
}

function askForConsent(state: AtlassianState, client: AtlassianClient, call: Call): Reply {
  const scopes = readScopes(call.query.scope)
  const users = [...state.users.values()]
  const sites = needsSite(scopes) ? [...state.sites.values()] : []
  return html(
    200,
    consentPage({
      brand,
      clientName: client.name,
      action: `${call.path}?${new URLSearchParams(call.query as Record<string, string>)}`,
      users: users.map((user) => ({
        id: user.accountId,
        label: user.name,
        hint: user.email ?? user.accountId,
      })),
      selectedUser: signedIn(state.core.person, 'atlassian', call),
      scopes: scopes.map((scope) => ({ id: scope, label: scope })),
      sites: sites.map((site) => ({ id: site.id, label: site.name })),
    }),
  )
}

/** The sites ticked on the page, or those the control API picked; never one the person cannot open. */
function pickedSites(state: AtlassianState, call: Call, user: AtlassianUser, fromPage: boolean): string[] {
  const own = sitesOf(state, user).map((site) => site.id)
  if (fromPage) return own.filter((id) => call.body[`site:${id}`] !== undefined)
  const { pickedSites: picked } = state.switches
  return picked === null ? own.slice(0, 1) : own.filter((id) => picked.includes(id))
}

function approve(
  state: AtlassianState,
  client: AtlassianClient,
  call: Call,
  challenge: Challenge | undefined,
  answer: Extract<Answer, { kind: 'approve' }>,
): Reply {
  const user = state.users.get(answer.user)
  if (!user) return deadEnd('There is no such account')
  const scopes = readScopes(call.query.scope).filter((scope) => !answer.unticked.includes(scope))
  if (needsSite(scopes)) {
    state.grants.addSites(client.clientId, user.accountId, pickedSites(state, call, user, answer.fromPage))
  }
  const code = `eyJ${state.core.ids.text(240)}`
  const now = state.core.clock.now()
  state.core.issued.add({
    kind: 'code',
    value: code,
    user: user.accountId,
    clientId: client.clientId,
    at: now,
  })
  state.codes.save(code, {
    clientId: client.clientId,
    redirectUri: call.query.redirect_uri,
    challenge,
    details: { accountId: user.accountId, scopes },
  })
  const headers = answer.fromPage ? { 'set-cookie': signInCookie('atlassian', user.accountId) } : {}
  const parameters = { state: call.query.state, code }
  return redirectBack(state.core.callbacks, client.redirectUri, state.auth, parameters, headers)
}
