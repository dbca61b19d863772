import { json, type Reply } from '../kit/exchange.ts'
import type { AtlassianState } from './state.ts'

/** A trap: it looks like a complete OpenID Provider, yet `openid` breaks the authorization page of a 3LO app. */
export function misleadingDiscovery({ auth }: AtlassianState): Reply {
  return json(200, {
    issuer: auth,
    authorization_endpoint: `${auth}/authorize`,
    token_endpoint: `${auth}/oauth/token`,
    userinfo_endpoint: `${auth}/userinfo`,
    jwks_uri: `${auth}/.well-known/jwks.json`,
    registration_endpoint: `${auth}/oidc/register`,
    revocation_endpoint: `${auth}/oauth/revoke`,
    scopes_supported: ['openid', 'profile', 'offline_access', 'name', 'email', 'picture'],
    response_types_supported: ['code', 'token', 'id_token'],
    code_challenge_methods_supported: ['S256', 'plain'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['HS256', 'RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
  })
}
