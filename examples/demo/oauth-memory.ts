import { randomBytes } from 'node:crypto'
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'

export type OAuthMemory = {
  provider: OAuthClientProvider
  /** Where the SDK wants the person to go. */
  authorizationUrl(): URL | undefined
  /** The `state` of that request. */
  state(): string | undefined
  accessToken(): string
}

const usualGrants = ['authorization_code', 'refresh_token']

/** What the SDK wants a client to remember of its authorization, for as long as this process lives. */
export function createOAuthMemory(redirectUrl: string, grantTypes = usualGrants): OAuthMemory {
  let request: { url?: URL; state?: string; verifier?: string } = {}
  let registered: OAuthClientInformationMixed | undefined
  let tokens: OAuthTokens | undefined
  const provider: OAuthClientProvider = {
    redirectUrl,
    clientMetadata: {
      client_name: 'Coatcheck demo client',
      redirect_uris: [redirectUrl],
      grant_types: grantTypes,
      token_endpoint_auth_method: 'none',
    },
    state() {
      request = { state: randomBytes(16).toString('base64url') }
      return request.state ?? ''
    },
    redirectToAuthorization(url) {
      request.url = url
    },
    saveCodeVerifier(verifier) {
      request.verifier = verifier
    },
    codeVerifier: () => request.verifier ?? '',
    clientInformation: () => registered,
    saveClientInformation(information) {
      registered = information
    },
    tokens: () => tokens,
    saveTokens(saved) {
      tokens = saved
      request = {}
    },
    invalidateCredentials(what) {
      if (what === 'all' || what === 'client') registered = undefined
      if (what === 'all' || what === 'tokens') tokens = undefined
    },
  }
  return {
    provider,
    authorizationUrl: () => request.url,
    state: () => request.state,
    accessToken: () => tokens?.access_token ?? '',
  }
}
