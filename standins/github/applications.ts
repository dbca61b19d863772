import { basicCredentials } from '../kit/credentials.ts'
import { type Call, field, json, noContent, type Reply } from '../kit/exchange.ts'
import { problem, withoutAgent } from './api.ts'
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
    return withoutAgent(call) ?? problem(401, 'Requires authentication')
  }
  const refused = withoutAgent(call)
  if (refused) return refused
  if (call.params.client !== client.clientId) return problem(404, 'Not Found')
  const access = field(call.body, 'access_token')
  if (call.bodyKind !== 'json' || access === undefined) return problem(422, 'Validation Failed')
  const token = state.tokens.findByAccess(access)
  return token && token.clientId === client.clientId ? answer(token, client) : problem(404, 'Not Found')
}

const described = (token: Token, client: GithubClient, login: string | undefined) => ({
  token: token.access,
  scopes: token.scopes,
  app: { client_id: client.clientId, name: client.name },
  user: { id: token.userId, login },
  expires_at: token.expiresAt === undefined ? null : new Date(token.expiresAt * 1000).toISOString(),
})

export function checkToken(state: GithubState, call: Call): Reply {
  return withToken(state, call, (token, client) =>
    state.tokens.use(token.access)
      ? json(200, described(token, client, state.users.get(token.userId)?.login))
      : problem(404, 'Not Found'),
  )
}

export function resetToken(state: GithubState, call: Call): Reply {
  return withToken(state, call, (token, client) =>
    json(200, described(state.tokens.reset(token, client), client, state.users.get(token.userId)?.login)),
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
  return withToken(state, call, (token, client) => {
    state.tokens.revokeGrant(client.clientId, token.userId)
    return noContent()
  })
}
