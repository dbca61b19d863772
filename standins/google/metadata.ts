import { json, type Reply } from '../kit/exchange.ts'
import type { GoogleState } from './state.ts'

export const paths = {
  authorize: '/o/oauth2/v2/auth',
  token: '/token',
  userinfo: '/v1/userinfo',
  revoke: '/revoke',
  jwks: '/oauth2/v3/certs',
}

export function discovery({ issuer, switches }: GoogleState): Reply {
  return json(
    200,
    {
      issuer,
      authorization_endpoint: issuer + paths.authorize,
      token_endpoint: issuer + paths.token,
      userinfo_endpoint: issuer + paths.userinfo,
      revocation_endpoint: issuer + paths.revoke,
      jwks_uri: issuer + paths.jwks,
      ...(switches.advertiseIss ? { authorization_response_iss_parameter_supported: true } : {}),
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      scopes_supported: ['openid', 'email', 'profile'],
      token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
      claims_supported: ['aud', 'email', 'email_verified', 'exp', 'given_name', 'iat', 'iss', 'name', 'sub'],
      code_challenge_methods_supported: ['plain', 'S256'],
    },
    { 'cache-control': 'public, max-age=3600' },
  )
}

export function jwks({ keys }: GoogleState): Reply {
  return json(200, keys.jwks(), { 'cache-control': 'public, max-age=19800, must-revalidate' })
}
