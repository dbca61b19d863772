import { fetchServerConfigByWellKnownUrl, MCPAuthAuthServerError, validateServerConfig } from 'mcp-auth'
import { expect, test } from 'vitest'
import { mcpAuthRules } from '../../src/tester/mcp-auth-rules.ts'
import { openIssuer } from '../support/issuer.ts'
import { issuer, places, soundMetadata, soundServer, testIn } from '../support/tested-world.ts'

/** What mcp-auth itself says of a document, as it says it: every code with how bad it is. */
async function saidByMcpAuth(document: Record<string, unknown>): Promise<string[]> {
  const server = await openIssuer()
  server.answer.document = document
  try {
    const url = `${server.issuer}/.well-known/oauth-authorization-server`
    const config = await fetchServerConfigByWellKnownUrl(url, { type: 'oauth' })
    // Where something is wrong `errors` is there; the types say so only of what has no `isValid`.
    const found: {
      errors?: { code: string }[]
      warnings?: { code: string }[]
      successes?: { code: string }[]
    } = validateServerConfig(config, true)
    const { errors = [], warnings = [], successes = [] } = found
    return [
      ...errors.map(({ code }) => `error ${code}`),
      ...warnings.map(({ code }) => `warning ${code}`),
      ...successes.map(({ code }) => `success ${code}`),
    ].toSorted()
  } catch (error) {
    if (!(error instanceof MCPAuthAuthServerError)) throw error
    return [`error ${error.code}`]
  }
}

/** What has a code here, and none in `validateServerConfig`. */
const ownCodes = [
  'server_metadata_found',
  'jwks_uri_present',
  'missing_jwks_uri',
  'grant_types_listed',
  'pkce_methods_listed',
]
const theirs = mcpAuthRules
  .flatMap(({ code, otherwise = code }) => [code, otherwise])
  .filter((code) => !ownCodes.includes(code))

async function saidHere(document: object): Promise<string[]> {
  const { tested } = await testIn(soundServer(document), issuer)
  const checks = tested.flatMap((each) => each.checks).filter(({ code }) => theirs.includes(code))
  return checks.map(({ kind, code }) => `${kind} ${code}`).toSorted()
}

const without = (name: string) => ({ [name]: undefined })

const variants: [string, object, string[]][] = [
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

test.each(variants)('of metadata with %s mcp-auth 0.2.0 says the same', async (_, change, faults) => {
  const document = { ...soundMetadata, ...change }
  const said = await saidHere(document)
  expect(said).toEqual(await saidByMcpAuth(document))
  expect(said.filter((each) => !each.startsWith('success'))).toEqual(faults)
})

const faultsOf = async (over: object) => {
  const { tested } = await testIn({ ...soundServer(), ...over }, issuer)
  return tested.flatMap(({ checks }) =>
    checks.filter(({ kind }) => kind !== 'success').map(({ code }) => code),
  )
}

test('what mcp-auth says elsewhere, or in Python alone, has a code as well', async () => {
  const changed = (change: object) => faultsOf(soundServer({ ...soundMetadata, ...change }))
  expect(await changed(without('jwks_uri'))).toContain('missing_jwks_uri')
  expect(await changed(without('grant_types_supported'))).toContain('grant_types_listed')
  expect(await changed({ code_challenge_methods_supported: [] })).toContain('pkce_methods_listed')
  const nowhere = Object.fromEntries(Object.values(places).map((url) => [`GET ${url}`, 'nothing']))
  expect(await faultsOf(nowhere)).toEqual(['fetch_server_config_error'])
})

test('every code of mcp-auth is one of these', () => {
  expect(theirs.toSorted()).toEqual(
    [
      'authorization_code_grant_not_supported',
      'authorization_code_grant_supported',
      'code_response_type_not_supported',
      'code_response_type_supported',
      'dynamic_registration_not_supported',
      'dynamic_registration_supported',
      'fetch_server_config_error',
      'invalid_server_metadata',
      'pkce_not_supported',
      'pkce_supported',
      's256_code_challenge_method_not_supported',
      's256_code_challenge_method_supported',
      'server_metadata_valid',
    ].toSorted(),
  )
})
