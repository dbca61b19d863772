import { bearerToken, type Call, json, type Reply } from '../kit/exchange.ts'
import { allows } from './scopes.ts'
import type { GithubState, GithubUser } from './state.ts'
import type { Token } from './tokens.ts'

type Caller = { token: Token; user: GithubUser; headers: Reply['headers'] }

const docs = 'https://docs.github.com/rest'

export const problem = (status: number, message: string, headers: Reply['headers'] = {}) =>
  json(status, { message, documentation_url: docs, status: String(status) }, headers)

export const withoutAgent = (call: Call): Reply | undefined =>
  call.headers['user-agent']
    ? undefined
    : {
        status: 403,
        headers: { 'content-type': 'text/html' },
        body: 'Request forbidden: User-Agent is missing',
      }

/** Lets an API call through with the live token it bears; a GitHub App's token has permissions instead of scopes. */
export function authenticated(state: GithubState, call: Call, answer: (caller: Caller) => Reply): Reply {
  const token = state.tokens.use(bearerToken(call, 'token'))
  const user = token && state.users.get(token.userId)
  if (!token || !user) return withoutAgent(call) ?? problem(401, 'Bad credentials')
  const scopes =
    state.clients.get(token.clientId)?.kind === 'github-app'
      ? {}
      : { 'x-oauth-scopes': token.scopes.join(', ') }
  return (
    withoutAgent(call) ?? answer({ token, user, headers: { ...scopes, 'x-github-media-type': 'github.v3' } })
  )
}

function mayUse(state: GithubState, token: Token, ...scopes: string[]): boolean {
  return state.clients.get(token.clientId)?.kind === 'github-app' || allows(token.scopes, ...scopes)
}

/** One page of a list, with the `Link` header that leads on. */
function paged(state: GithubState, call: Call, items: unknown[], headers: Reply['headers']): Reply {
  const size = Math.min(Number(call.query.per_page ?? 30) || 30, 100)
  const page = Math.max(Number(call.query.page ?? 1) || 1, 1)
  const last = Math.max(Math.ceil(items.length / size), 1)
  const link = (to: number, rel: string) =>
    `<${state.api}${call.path}?per_page=${size}&page=${to}>; rel="${rel}"`
  const links = [
    ...(page > 1 ? [link(page - 1, 'prev'), link(1, 'first')] : []),
    ...(page < last ? [link(page + 1, 'next'), link(last, 'last')] : []),
  ]
  const more = links.length > 0 ? { link: links.join(', ') } : {}
  return json(200, items.slice((page - 1) * size, page * size), { ...headers, ...more })
}

export function getUser(state: GithubState, call: Call): Reply {
  return authenticated(state, call, ({ user, headers }) =>
    json(
      200,
      {
        login: user.login,
        id: user.id,
        node_id: Buffer.from(`04:User${user.id}`).toString('base64'),
        avatar_url: `${state.web}/avatars/${user.id}`,
        html_url: `${state.web}/${user.login}`,
        type: 'User',
        name: user.name,
        email: user.publicEmail,
      },
      headers,
    ),
  )
}

export function listEmails(state: GithubState, call: Call): Reply {
  return authenticated(state, call, ({ token, user, headers }) =>
    mayUse(state, token, 'user:email')
      ? paged(state, call, user.emails, headers)
      : problem(404, 'Not Found', { ...headers, 'x-accepted-oauth-scopes': 'user, user:email' }),
  )
}

/** Private repositories need `repo`. */
export function listRepositories(state: GithubState, call: Call): Reply {
  return authenticated(state, call, ({ token, user, headers }) => {
    if (!mayUse(state, token, 'repo', 'public_repo', 'read:user')) return problem(404, 'Not Found', headers)
    const seen = user.repositories.filter((one) => !one.private || mayUse(state, token, 'repo'))
    const listed = seen.map((repository, index) => ({
      id: user.id * 1000 + index,
      ...repository,
      full_name: `${user.login}/${repository.name}`,
      html_url: `${state.web}/${user.login}/${repository.name}`,
      owner: { login: user.login, id: user.id },
    }))
    return paged(state, call, listed, headers)
  })
}
