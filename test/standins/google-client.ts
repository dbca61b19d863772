import { type Google, type GoogleOptions, startGoogle } from '../../standins/google.ts'
import { callbackOf, type Parameters, pkce, post, redirectUri, verifier, visit, withQuery } from './trip.ts'

export const now = 1_800_000_000
export const ada = { sub: '1042', email: 'ada@acme.test', name: 'Ada' }
export const app = { clientId: 'client', clientSecret: 'secret', redirectUris: [redirectUri] }
export const credentials = { client_id: 'client', client_secret: 'secret' }
export const calendar = 'https://www.googleapis.com/auth/calendar.readonly'

export async function startSeeded(options: GoogleOptions = {}): Promise<Google> {
  const google = await startGoogle({ clock: () => now, clients: [app], users: [ada], ...options })
  google.control.autoApprove('ada@acme.test')
  return google
}

export const offline = { access_type: 'offline' }

export async function authorize(google: Google, parameters: Parameters = {}): Promise<Response> {
  const request = {
    client_id: 'client',
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid email',
    state: 's',
    ...pkce,
    ...parameters,
  }
  return visit(withQuery(`${google.issuer}/o/oauth2/v2/auth`, request))
}

export async function askForToken(google: Google, parameters: Parameters) {
  return post(`${google.issuer}/token`, { ...credentials, ...parameters })
}

export async function redeem(google: Google, code: string | undefined, parameters: Parameters = {}) {
  const proof = { redirect_uri: redirectUri, code_verifier: verifier }
  return askForToken(google, { grant_type: 'authorization_code', code: code ?? '', ...proof, ...parameters })
}

/** A whole sign-in; the answer of the token endpoint. */
export async function signIn(google: Google, parameters: Parameters = {}): Promise<Record<string, unknown>> {
  const { code } = callbackOf(await authorize(google, parameters))
  return (await redeem(google, code)).body
}

export async function refresh(google: Google, token: unknown, parameters: Parameters = {}) {
  return askForToken(google, { grant_type: 'refresh_token', refresh_token: String(token), ...parameters })
}
