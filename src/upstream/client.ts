import * as oidc from 'openid-client'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Provider } from './provider.ts'
import type { Server } from './server.ts'
import type { TokenFetch } from './token-answer.ts'

/** openid-client, set up to ask one server for tokens as the one client registered there. */
export function createClient(
  provider: Provider,
  server: Server,
  parts: { clock: Clock; tokenFetch: TokenFetch },
): oidc.Configuration {
  const client = new oidc.Configuration(
    {
      ...server.metadata,
      authorization_response_iss_parameter_supported: provider.descriptor.callback.iss === 'required',
    },
    provider.clientId,
    // openid-client reads the system's time; this is how it learns ours.
    { [oidc.clockSkew]: parts.clock() - systemClock(), [oidc.clockTolerance]: clockTolerance },
    clientAuthentication(provider, server),
  )
  // The guarded fetch has a deadline of its own, and decides about http.
  client.timeout = 0
  oidc.allowInsecureRequests(client)
  oidc.enableNonRepudiationChecks(client)
  if (server.jwks) oidc.setJwksCache(client, server.jwks)
  client[oidc.customFetch] = (url, { method, headers, body }) =>
    method === 'POST'
      ? parts.tokenFetch(url, headers, new URLSearchParams(String(body)))
      : server.fetch(url, { headers })
  return client
}

/** Seconds by which clocks may differ. */
export const clockTolerance = 30

/** How the one client registered there proves itself. */
export function clientAuthentication(
  { descriptor, clientSecret }: Provider,
  { metadata }: Server,
): oidc.ClientAuth {
  if (clientSecret === undefined) return oidc.None()
  const method = descriptor.client_authentication
  // RFC 8414 section 2: a server that says nothing takes client_secret_basic.
  const offered = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  const isBasic =
    method === 'discovered' ? offered.includes('client_secret_basic') : method === 'client_secret_basic'
  return isBasic ? basic(clientSecret) : oidc.ClientSecretPost(clientSecret)
}

/**
 * RFC 6749 section 2.3.1, escaping no more than a form must. openid-client's own also escapes hyphens and dots, which
 * stand in most ids and secrets, and not every provider decodes what it is sent.
 */
function basic(clientSecret: string): oidc.ClientAuth {
  return (_server, { client_id: clientId }, _body, headers) => {
    const credentials = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`)
  }
}

const formEncoded = (text: string) => String(new URLSearchParams({ text })).slice('text='.length)
