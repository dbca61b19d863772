import { createHash } from 'node:crypto'

/** A client's half of PKCE, the same every time. */
export const verifier = 'standin-tests-use-this-verifier-of-enough-characters'
export const challenge = createHash('sha256').update(verifier).digest('base64url')
export const pkce = { code_challenge: challenge, code_challenge_method: 'S256' }

export const redirectUri = 'http://127.0.0.1:9/callback'

export type Parameters = Record<string, string>

export const withQuery = (url: string, parameters: Parameters) => `${url}?${new URLSearchParams(parameters)}`

export async function visit(url: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { redirect: 'manual', headers })
}

/** The authorization response: the parameters of the redirect back to the client. */
export function callbackOf(response: Response): Parameters {
  const location = response.headers.get('location')
  if (!location) throw new Error(`no redirect but ${response.status}`)
  return Object.fromEntries(new URL(location).searchParams)
}

export async function post(
  url: string,
  parameters: Parameters,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
  const response = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams(parameters),
    redirect: 'manual',
    headers: { accept: 'application/json', ...headers },
  })
  const text = await response.text()
  return {
    status: response.status,
    body: text.startsWith('{') ? JSON.parse(text) : { text },
    headers: response.headers,
  }
}

export async function get(
  url: string,
  token?: string,
): Promise<{ status: number; body: unknown; headers: Headers }> {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(url, { headers: { 'user-agent': 'standin-tests', ...authorization } })
  const text = await response.text()
  const parsed = /^[[{]/.test(text) ? JSON.parse(text) : text
  return { status: response.status, body: parsed, headers: response.headers }
}
