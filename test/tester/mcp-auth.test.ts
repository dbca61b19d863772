import { fetchServerConfigByWellKnownUrl, MCPAuthAuthServerError, validateServerConfig } from 'mcp-auth'
import { expect, test } from 'vitest'
import { mcpAuthRules } from '../../src/tester/mcp-auth-rules.ts'
import { openIssuer } from '../support/issuer.ts'
import { faultsIn, issuer, soundMetadata, soundServer, testIn } from '../support/tested-world.ts'
import { moreVariants, variants } from './mcp-auth-variants.ts'

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

test.each(variants)('of metadata with %s mcp-auth 0.2.0 says the same', async (_, change, faults) => {
  const document = { ...soundMetadata, ...change }
  const said = await saidHere(document)
  expect(said).toEqual(await saidByMcpAuth(document))
  expect(said.filter((each) => !each.startsWith('success'))).toEqual(faults)
})

test.each(moreVariants)('of metadata with %s there is more to say', async (_, change, faults) => {
  const report = await testIn(soundServer({ ...soundMetadata, ...change }), issuer)
  expect(faultsIn(report).filter((fault) => !fault.endsWith('no_nulls'))).toEqual(faults)
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
