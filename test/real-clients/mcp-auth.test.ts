import { fetchServerConfig, validateServerConfig } from 'mcp-auth'
import { expect, onTestFinished, test } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'

const sixSuccesses = [
  'server_metadata_valid',
  'code_response_type_supported',
  'authorization_code_grant_supported',
  'pkce_supported',
  's256_code_challenge_method_supported',
  'dynamic_registration_supported',
]

test.each([
  ['oauth', ''],
  ['oauth', '/gate'],
  ['oidc', ''],
  ['oidc', '/gate'],
] as const)(
  'mcp-auth finds the metadata as %s of an issuer "%s" and has nothing to warn of',
  async (type, path) => {
    const gateway = await startTestGateway({
      env: (port) => ({ COATCHECK_ISSUER: `http://localhost:${port}${path}` }),
    })
    onTestFinished(gateway.stop)
    const found = await fetchServerConfig(gateway.issuer, { type })
    expect(found.metadata.issuer).toBe(gateway.issuer)

    const { isValid, warnings, successes } = validateServerConfig(found, true)
    expect({ isValid, warnings }).toEqual({ isValid: true, warnings: [] })
    expect(successes.map(({ code }) => code).toSorted()).toEqual(sixSuccesses.toSorted())
  },
)
