import { basicCredentials } from '../kit/credentials.ts'
import { type Call, field, json, noContent, type Reply } from '../kit/exchange.ts'
import { problem } from './api.ts'
import type { GithubClient, GithubState } from './state.ts'
import type { Token } from './tokens.ts'

/** The app, proven by Basic, and one of its own tokens, named in a JSON body. */
function withToken(
  state: GithubState,
  call: Call,
  answer: (token: Token, client: GithubClient) => Reply,
): Reply {
  const credentials = basicCredentials(call)
  const client = state.clients.get(credentials?.clientId ?? '')
  if (!client || credentials?.clientSecret !== client.clientSecret) {
    return problem(401, 'Requires authentication')
  }
  if (call.params.client !== client.clientId) return problem(404, 'Not Found')
  const access = field(call.body, 'access_token')
  if (call.bodyKind !== 'json' || access === undefined) return problem(422, 'Validation Failed')
  // An access token that has expired is unknown, though its refresh token lives on.
  const token = state.tokens.use(access)
  return token && token.clientId === client.clientId ? answer(token, client) : problem(404, 'Not Found')
}

function described(state: GithubState, token: Token, client: GithubClient): Reply {
  const { id, login } = state.users.get(token.user)
  return json(200, {
    token: token.access,
    scopes: token.scopes,
    app: { client_id: client.clientId, name: client.name },
    user: { id, login },
    expires_at: token.refresh === undefined ? null : new Date(token.expiresAt * 1000).toISOString(),
  })
}

export function checkToken(state: GithubState, call: Call): Reply {
  return withToken(state, call, (token, client) => described(state, token, client))
}

export function resetToken(state: GithubState, call: Call): Reply {
  return withToken(state, call, (token, client) =>
    described(state, state.tokens.replace(token, client), client),
  )
}

export function deleteToken(state: GithubState, call: Call): Reply {
  return withToken(state, call, (token) => {
    state.tokens.revoke(token)
    return noContent()
  })
}

/** All tokens of the token's user at this app. */
export function deleteGrant(state: GithubState, call: Call): Reply {
  return withToken(state, call, (token) => {
    state.tokens.revokeGrant(token)
    return noContent()
  })
}
