import { bearerToken, type Call, json, type Reply, text } from '../kit/exchange.ts'
import type { Answer } from '../kit/server.ts'
import { allows } from './scopes.ts'
import type { GithubState, GithubUser } from './state.ts'
import type { Token } from './tokens.ts'

type Caller = {
  user: GithubUser
  headers: Reply['headers']
  /** A GitHub App's token has the app's permissions instead of scopes. */
  may(...scopes: string[]): boolean
}

export const problem = (status: number, message: string, headers: Reply['headers'] = {}) =>
  json(
    status,
    { message, documentation_url: 'https://docs.github.com/rest', status: String(status) },
    headers,
  )

/** The API answers nobody who does not say who they are. */
export const withAgent =
  (answer: Answer): Answer =>
  async (call, request, response) =>
    call.headers['user-agent'] ? answer(call, request, response) : text(403, 'Please send a User-Agent.')

function scopeRules(state: GithubState, token: Token): Pick<Caller, 'headers' | 'may'> {
  if (state.clients.get(token.clientId)?.kind === 'github-app') return { headers: {}, may: () => true }
  return {
    headers: { 'x-oauth-scopes': token.scopes.join(', ') },
    may: (...scopes) => allows(token.scopes, ...scopes),
  }
}

/** Lets an API call through with the live token it bears. */
function authenticated(state: GithubState, call: Call, answer: (caller: Caller) => Reply): Reply {
  const token = state.tokens.use(bearerToken(call, 'token'))
  if (!token) return problem(401, 'Bad credentials')
  return answer({ user: state.users.get(token.user), ...scopeRules(state, token) })
}

const positive = (value: string | undefined, otherwise: number) => {
  const number = Number(value)
  return Number.isInteger(number) && number > 0 ? number : otherwise
}

/** One page of a list, with the `Link` header that leads on. */
function paged(state: GithubState, call: Call, items: unknown[], headers: Reply['headers']): Reply {
  const size = Math.min(positive(call.query.per_page, 30), 100)
  const page = positive(call.query.page, 1)
  const last = Math.max(Math.ceil(items.length / size), 1)
  const base = new URL(call.path, state.api)
  const link = (to: number, rel: string) => `<${base}?per_page=${size}&page=${to}>; rel="${rel}"`
  const links = [
    ...(page > 1 ? [link(page - 1, 'prev'), link(1, 'first')] : []),
    ...(page < last ? [link(page + 1, 'next'), link(last, 'last')] : []),
  ]
  const more = links.length > 0 ? { link: links.join(', ') } : {}
  return json(200, items.slice((page - 1) * size, page * size), { ...headers, ...more })
}

export function getUser(state: GithubState, call: Call): Reply {
  return authenticated(state, call, ({ user, headers }) => {
    const profile = {
      login: user.login,
      id: user.id,
      node_id: Buffer.from(`04:User${user.id}`).toString('base64'),
      avatar_url: `${state.web}/avatars/${user.id}`,
      html_url: `${state.web}/${user.login}`,
      type: 'User',
      name: user.name,
      email: user.publicEmail,
    }
    return json(200, profile, headers)
  })
}

export function listEmails(state: GithubState, call: Call): Reply {
  return authenticated(state, call, ({ user, headers, may }) =>
    may('user:email')
      ? paged(state, call, user.emails, headers)
      : problem(404, 'Not Found', { ...headers, 'x-accepted-oauth-scopes': 'user, user:email' }),
  )
}

/** Private repositories need `repo`. */
export function listRepositories(state: GithubState, call: Call): Reply {
  return authenticated(state, call, ({ user, headers, may }) => {
    if (!may('repo', 'public_repo', 'read:user')) return problem(404, 'Not Found', headers)
    const listed = user.repositories
      .map((repository, index) => ({
        id: user.id * 1000 + index,
        ...repository,
        full_name: `${user.login}/${repository.name}`,
        html_url: `${state.web}/${user.login}/${repository.name}`,
        owner: { login: user.login, id: user.id },
      }))
      .filter((repository) => !repository.private || may('repo'))
    return paged(state, call, listed, headers)
  })
}
