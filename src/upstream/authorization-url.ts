import { type Provider, requestScopes } from './provider.ts'
import type { Server } from './server.ts'

/** What a trip to a provider carries; nothing a client of ours said passes but the login hint. */
export type AuthorizationTrip = {
  redirectUri: string
  state: string
  codeChallenge: string
  nonce: string
  /** Of the provider, beside those that identity needs. */
  scopes: readonly string[]
  refreshToken: 'wanted' | 'unwanted'
  /** What the person is shown though the provider could skip it; a provider that cannot is not asked. */
  prompts?: readonly Prompt[]
  loginHint?: string
  maxAge?: number
  /** The strengths of sign-in that are sought, the best first; a provider that knows none is not asked. */
  acrValues?: readonly string[]
}

export type Prompt = 'consent' | 'select_account' | 'login'

/** The authorization request (RFC 6749 section 4.1.1, RFC 7636), with what the descriptor adds. */
export function authorizationUrl(provider: Provider, server: Server, trip: AuthorizationTrip): URL {
  const { authorization, scopes, pkce, kind } = provider.descriptor
  const asked = requestScopes(provider, trip.scopes, trip.refreshToken)
  const added = [
    authorization.parameters,
    trip.refreshToken === 'wanted' ? authorization.offline : {},
    ...(trip.prompts ?? []).map((prompt) => authorization.prompts[prompt] ?? {}),
  ]
  const parameters: Record<string, string | undefined> = {
    ...mergeParameters(added),
    response_type: 'code',
    client_id: provider.clientId,
    redirect_uri: new URL(trip.redirectUri).href,
    state: trip.state,
    // An empty scope means something else at every provider; none at all is everywhere the default.
    scope: asked.length > 0 ? asked.join(scopes.separator) : undefined,
    ...(pkce === 'S256' && { code_challenge: trip.codeChallenge, code_challenge_method: 'S256' }),
    ...(kind === 'oidc' && { nonce: trip.nonce }),
    ...(authorization.login_hint_parameter && { [authorization.login_hint_parameter]: trip.loginHint }),
    ...(authorization.max_age && { max_age: trip.maxAge?.toString() }),
    ...(authorization.acr_values && trip.acrValues?.length && { acr_values: trip.acrValues.join(' ') }),
  }
  const url = new URL(server.metadata.authorization_endpoint)
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) url.searchParams.set(name, value)
  }
  return url
}

/** The later value counts, except for `prompt`, which is a list (OpenID Connect Core section 3.1.2.1). */
function mergeParameters(all: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const prompts = new Set(all.flatMap(({ prompt }) => prompt?.split(' ') ?? []))
  return { ...Object.assign({}, ...all), ...(prompts.size > 0 && { prompt: [...prompts].join(' ') }) }
}
