import { type Atlassian, startAtlassian } from '../../standins/atlassian.ts'
import { callbackOf, type Parameters, pkce, post, redirectUri, verifier, visit, withQuery } from './trip.ts'

export const ada = {
  accountId: '557058:ada',
  name: 'Ada',
  email: 'ada@acme.test',
  sites: ['cloud-1', 'cloud-2', 'cloud-3'],
}
export const app = {
  clientId: 'client',
  clientSecret: 'secret',
  redirectUri,
  scopes: ['read:me', 'read:jira-user', 'read:jira-work', 'read:confluence-content.all'],
}
export const credentials = { client_id: 'client', client_secret: 'secret' }

export async function startSeeded(): Promise<Atlassian> {
  const atlassian = await startAtlassian({
    clock: () => 1_800_000_000,
    clients: [app],
    sites: [
      { id: 'cloud-1', name: 'acme' },
      { id: 'cloud-2', name: 'wiki', products: ['jira', 'confluence'] },
      { id: 'cloud-3', name: 'docs', products: ['confluence'] },
    ],
    users: [ada],
  })
  atlassian.control.autoApprove('ada@acme.test')
  return atlassian
}

export const request = {
  audience: 'api.atlassian.com',
  client_id: 'client',
  redirect_uri: redirectUri,
  response_type: 'code',
  prompt: 'consent',
  scope: 'read:me read:jira-user offline_access',
  state: 's',
  ...pkce,
}

export async function authorize(atlassian: Atlassian, parameters: Parameters = {}): Promise<Response> {
  return visit(withQuery(`${atlassian.auth}/authorize`, { ...request, ...parameters }))
}

export async function askForToken(atlassian: Atlassian, parameters: Parameters) {
  return post(`${atlassian.auth}/oauth/token`, { ...credentials, ...parameters })
}

export async function redeem(atlassian: Atlassian, code: string | undefined, parameters: Parameters = {}) {
  const proof = { redirect_uri: redirectUri, code_verifier: verifier, ...parameters }
  return askForToken(atlassian, { grant_type: 'authorization_code', code: code ?? '', ...proof })
}

/** A whole sign-in; the answer of the token endpoint. */
export async function signIn(
  atlassian: Atlassian,
  parameters: Parameters = {},
): Promise<Record<string, unknown>> {
  const { code } = callbackOf(await authorize(atlassian, parameters))
  return (await redeem(atlassian, code)).body
}

export async function refresh(atlassian: Atlassian, token: unknown, parameters: Parameters = {}) {
  return askForToken(atlassian, {
    grant_type: 'refresh_token',
    refresh_token: String(token),
    ...parameters,
  })
}
