/** A document that lacks a member. */
export const without = (name: string) => ({ [name]: undefined })

/** What is wrong with metadata, what it changes in good ones, and what mcp-auth says of it beside its successes. */
export const variants: readonly (readonly [string, object, readonly string[]])[] = [
  ['everything', {}, []],
  ['no response types', without('response_types_supported'), ['error invalid_server_metadata']],
  ['no issuer', without('issuer'), ['error invalid_server_metadata']],
  ['no token endpoint', without('token_endpoint'), ['error invalid_server_metadata']],
  ['a null where there may be nothing', { service_documentation: null }, ['error invalid_server_metadata']],
  ['scopes as one text', { scopes_supported: 'a b' }, ['error invalid_server_metadata']],
  ['a number among the scopes', { scopes_supported: ['a', 1] }, ['error invalid_server_metadata']],
  ['an endpoint that is no URL', { token_endpoint: 'token' }, []],
  ['ID tokens alone', { response_types_supported: ['id_token'] }, ['error code_response_type_not_supported']],
  ['no response type at all', { response_types_supported: [] }, ['error code_response_type_not_supported']],
  ['code among others', { response_types_supported: ['code id_token'] }, []],
  [
    'a type that only begins so',
    { response_types_supported: ['codes'] },
    ['error code_response_type_not_supported'],
  ],
  ['no list of grants', without('grant_types_supported'), []],
  [
    'an empty list of grants',
    { grant_types_supported: [] },
    ['error authorization_code_grant_not_supported'],
  ],
  [
    'another grant',
    { grant_types_supported: ['client_credentials'] },
    ['error authorization_code_grant_not_supported'],
  ],
  ['no PKCE', without('code_challenge_methods_supported'), ['error pkce_not_supported']],
  [
    'an empty list of PKCE methods',
    { code_challenge_methods_supported: [] },
    ['error s256_code_challenge_method_not_supported'],
  ],
  [
    'plain alone',
    { code_challenge_methods_supported: ['plain'] },
    ['error s256_code_challenge_method_not_supported'],
  ],
  ['no registration', without('registration_endpoint'), ['warning dynamic_registration_not_supported']],
  [
    'an empty registration endpoint',
    { registration_endpoint: '' },
    ['warning dynamic_registration_not_supported'],
  ],
  [
    'nothing right',
    { response_types_supported: [], grant_types_supported: [], code_challenge_methods_supported: undefined },
    [
      'error authorization_code_grant_not_supported',
      'error code_response_type_not_supported',
      'error pkce_not_supported',
    ],
  ],
  ['members nobody knows', { dpop_signing_alg_values_supported: null, x: 1 }, []],
]

/** The same of what mcp-auth says elsewhere, or in Python alone. */
export const moreVariants: typeof variants = [
  ['no JWKS', without('jwks_uri'), ['error missing_jwks_uri', 'warning openid_members']],
  ['no list of grants', without('grant_types_supported'), ['warning grant_types_listed']],
  [
    'an empty list of PKCE methods',
    { code_challenge_methods_supported: [] },
    ['error s256_code_challenge_method_not_supported', 'warning pkce_methods_listed'],
  ],
]
