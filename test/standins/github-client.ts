import { type Github, type GithubOptions, startGithub } from '../../standins/github.ts'
import { callbackOf, type Parameters, pkce, post, redirectUri, verifier, visit, withQuery } from './trip.ts'

export const credentials = { client_id: 'client', client_secret: 'secret' }
export const octocat = { id: 7, login: 'octocat', name: 'Mona' }

/** A clock that stands still unless the control API moves it. */
const clock = () => 1_800_000_000

export async function startSeeded(
  client: Partial<NonNullable<GithubOptions['clients']>[number]> = {},
  user: Partial<NonNullable<GithubOptions['users']>[number]> = {},
): Promise<Github> {
  const github = await startGithub({
    clock,
    clients: [{ clientId: 'client', clientSecret: 'secret', redirectUris: [redirectUri], ...client }],
    users: [{ ...octocat, ...user }],
  })
  github.control.autoApprove('octocat')
  return github
}

export const request = { client_id: 'client', redirect_uri: redirectUri, scope: 'read:user', state: 's' }

export async function authorize(github: Github, parameters: Parameters = {}): Promise<Response> {
  return visit(withQuery(`${github.web}/login/oauth/authorize`, { ...request, ...pkce, ...parameters }))
}

export async function askForToken(github: Github, parameters: Parameters) {
  return post(`${github.web}/login/oauth/access_token`, { ...credentials, ...parameters })
}

/** A whole sign-in; the answer of the token endpoint. */
export async function signIn(github: Github, parameters: Parameters = {}): Promise<Record<string, unknown>> {
  const { code = '' } = callbackOf(await authorize(github, parameters))
  const proof = { code, redirect_uri: redirectUri, code_verifier: verifier }
  return (await askForToken(github, proof)).body
}

export async function refresh(github: Github, token: unknown, parameters: Parameters = {}) {
  return askForToken(github, { grant_type: 'refresh_token', refresh_token: String(token), ...parameters })
}
