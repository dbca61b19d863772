import { type Answer, answerOf, signedIn, signInCookie } from '../kit/browser.ts'
import { redirectBack } from '../kit/callback.ts'
import { type Call, html, type Reply } from '../kit/exchange.ts'
import { type Brand, consentPage, errorPage } from '../kit/page.ts'
import { type Challenge, isS256Challenge } from '../kit/pkce.ts'
import { redirectAllowed } from './redirect-uri.ts'
import { allows, normalised, readScopes } from './scopes.ts'
import type { GithubClient, GithubState, GithubUser } from './state.ts'

export const brand: Brand = { name: 'GitHub', color: '#1f2328' }

const troubleshooting =
  'https://docs.github.com/apps/managing-oauth-apps/troubleshooting-authorization-request-errors'

const descriptions = {
  access_denied: 'The user has denied your application access.',
  application_suspended: 'Your application has been suspended. Contact support.',
  redirect_uri_mismatch: 'The redirect_uri MUST match the registered callback URL for this application.',
}

function refuse(
  state: GithubState,
  call: Call,
  redirectUri: string,
  error: keyof typeof descriptions,
): Reply {
  return redirectBack(state.core.callbacks, redirectUri, state.issuer, {
    error,
    error_description: descriptions[error],
    error_uri: `${troubleshooting}/#${error.replaceAll('_', '-')}`,
    state: call.query.state,
  })
}

/** `code_challenge` and its method need each other, and the only method is S256. */
function readChallenge(call: Call): Challenge | 'absent' | 'malformed' {
  const value = call.query.code_challenge
  const method = call.query.code_challenge_method
  if (value === undefined && method === undefined) return 'absent'
  if (value === undefined || method !== 'S256' || !isS256Challenge(value)) return 'malformed'
  return { method, value }
}

const badRequest = (detail: string) => html(400, errorPage(brand, 'This request cannot be used', detail))

/** `GET` is where the client sends the browser, `POST` is the consent page coming back. */
export function authorize(state: GithubState, call: Call): Reply {
  const client = state.clients.get(call.query.client_id ?? '')
  if (!client) return html(404, errorPage(brand, 'Page not found', 'There is no app with this client_id.'))
  if (call.repeated.length > 0) return badRequest(`Given more than once: ${call.repeated.join(', ')}`)

  const registered = client.redirectUris[0]?.uri ?? ''
  const redirectUri = call.query.redirect_uri
  if (redirectUri !== undefined && !redirectAllowed(client.redirectUris, redirectUri)) {
    return refuse(state, call, registered, 'redirect_uri_mismatch')
  }
  const target = redirectUri ?? registered
  if (client.suspended) return refuse(state, call, target, 'application_suspended')

  const challenge = readChallenge(call)
  if (challenge === 'malformed')
    return badRequest('PKCE needs code_challenge and code_challenge_method=S256.')

  const answer = silentAnswer(state, client, call) ?? answerOf(state.core.person, 'github', call)
  switch (answer.kind) {
    case 'ask':
      return askForConsent(state, client, call)
    case 'deny':
      return refuse(state, call, target, 'access_denied')
    case 'approve':
      return approve(state, client, call, target, challenge === 'absent' ? undefined : challenge, answer)
  }
}

function findUser(state: GithubState, id: string | undefined): GithubUser | undefined {
  return state.users.get(Number(id))
}

function requestedScopes(state: GithubState, client: GithubClient, user: GithubUser, call: Call): string[] {
  if (client.kind === 'github-app') return []
  const asked = readScopes(call.query.scope)
  // An empty scope silently gives everything this user ever granted the app.
  return asked.length > 0 ? asked : (state.tokens.grantedScopes(client.clientId, user.id) ?? [])
}

/** A user who already granted all of this is not asked again, unless the request wants an account chosen. */
function silentAnswer(state: GithubState, client: GithubClient, call: Call): Answer | undefined {
  const person = state.core.person
  const user = findUser(state, signedIn(person, 'github', call))
  if (call.method !== 'GET' || person.decision === 'deny' || !user) return undefined
  if (person.unticked.length > 0 || call.query.prompt === 'select_account') return undefined
  const granted = state.tokens.grantedScopes(client.clientId, user.id)
  if (!granted) return undefined
  const covered = requestedScopes(state, client, user, call).every((scope) => allows(granted, scope))
  return covered ? { kind: 'approve', user: String(user.id), unticked: [], fromPage: false } : undefined
}

function askForConsent(state: GithubState, client: GithubClient, call: Call): Reply {
  const hinted = [...state.users.values()].find((user) => user.login === call.query.login)
  return html(
    200,
    consentPage({
      brand,
      clientName: client.name,
      action: `${call.path}?${new URLSearchParams(call.query as Record<string, string>)}`,
      users: [...state.users.values()].map((user) => ({
        id: String(user.id),
        label: user.name ?? user.login,
        hint: user.login,
      })),
      selectedUser: hinted ? String(hinted.id) : signedIn(state.core.person, 'github', call),
      scopes: readScopes(call.query.scope).map((scope) => ({ id: scope, label: scope })),
    }),
  )
}

function approve(
  state: GithubState,
  client: GithubClient,
  call: Call,
  target: string,
  challenge: Challenge | undefined,
  answer: Extract<Answer, { kind: 'approve' }>,
): Reply {
  const user = findUser(state, answer.user)
  if (!user) return badRequest('There is no such account.')
  const scopes = requestedScopes(state, client, user, call).filter(
    (scope) => !answer.unticked.includes(scope),
  )
  state.tokens.rememberGrant(client.clientId, user.id, scopes)

  const code = state.core.ids.hex(20)
  state.core.issued.add({
    kind: 'code',
    value: code,
    user: String(user.id),
    clientId: client.clientId,
    at: state.core.clock.now(),
  })
  state.codes.save(code, {
    clientId: client.clientId,
    redirectUri: call.query.redirect_uri,
    challenge,
    details: {
      userId: user.id,
      scopes: normalised(scopes),
      offline: (call.query.scope ?? '').split(/[ ,]+/).includes('offline_access'),
    },
  })
  const headers = answer.fromPage ? { 'set-cookie': signInCookie('github', answer.user) } : {}
  const parameters = { code, state: call.query.state }
  return redirectBack(state.core.callbacks, target, state.issuer, parameters, headers)
}
