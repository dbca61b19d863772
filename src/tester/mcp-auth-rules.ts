import { z } from 'zod'
import { error, type Rule, success, warning } from './check.ts'
import { type Json, listed, quoted, said, strings } from './heard.ts'
import type { ServerFacts } from './server-facts.ts'
import { specs } from './specs.ts'

const text = z.string()
const texts = z.array(z.string())

/** What mcp-auth 0.2 wants the members of RFC 8414 section 2 to be; it knows no URL from another text. */
const metadataSchema = z.object({
  issuer: text,
  authorization_endpoint: text,
  token_endpoint: text,
  response_types_supported: texts,
  ...Object.fromEntries(
    [
      'jwks_uri',
      'registration_endpoint',
      'service_documentation',
      'op_policy_uri',
      'op_tos_uri',
      'revocation_endpoint',
      'introspection_endpoint',
      'userinfo_endpoint',
    ].map((name) => [name, text.optional()]),
  ),
  ...Object.fromEntries(
    [
      'scopes_supported',
      'response_modes_supported',
      'grant_types_supported',
      'token_endpoint_auth_methods_supported',
      'token_endpoint_auth_signing_alg_values_supported',
      'ui_locales_supported',
      'revocation_endpoint_auth_methods_supported',
      'revocation_endpoint_auth_signing_alg_values_supported',
      'introspection_endpoint_auth_methods_supported',
      'introspection_endpoint_auth_signing_alg_values_supported',
      'code_challenge_methods_supported',
    ].map((name) => [name, texts.optional()]),
  ),
})

function faultsIn(metadata: Json): string[] {
  const faults = metadataSchema.safeParse(metadata).error?.issues ?? []
  return [...new Set(faults.map(({ path }) => String(path[0])))]
}

/** Of metadata that are none, nothing more is said. */
const ofValid = (judge: (metadata: Json) => ReturnType<Rule<ServerFacts>['judge']>) => (facts: ServerFacts) =>
  facts.found && faultsIn(facts.found.metadata).length === 0 ? judge(facts.found.metadata) : undefined

/** The tester of mcp-auth, code by code; the last two are what its edition for Python asks more than the other. */
export const mcpAuthRules: readonly Rule<ServerFacts>[] = [
  {
    code: 'server_metadata_found',
    otherwise: 'fetch_server_config_error',
    asks: 'Are there metadata where clients look for them?',
    spec: specs.mcp('authorization-server-metadata-discovery'),
    judge({ found, forms, misplaced }) {
      if (found) return success(`The metadata are at ${quoted(found.url)}.`)
      const places = listed(forms.map(({ url }) => url))
      const stray = misplaced?.outcome === 'answer' && misplaced.status === 200
      const hint = stray ? ` What is at ${quoted(misplaced.url)} is found by nobody: move it.` : ''
      const why = forms[0] ? `: ${said(forms[0].heard)}` : ''
      return error(`There are no metadata at any of ${places}${why}.${hint}`)
    },
  },
  {
    code: 'server_metadata_valid',
    otherwise: 'invalid_server_metadata',
    asks: 'Has every member the type it must have, and is none missing or null?',
    spec: specs.metadata('2'),
    judge({ found }) {
      if (!found) return undefined
      const faults = faultsIn(found.metadata)
      return faults.length === 0
        ? success('The members that are known have the types they must have.')
        : error(`Missing, null or of another type: ${listed(faults)}.`)
    },
  },
  {
    code: 'code_response_type_supported',
    otherwise: 'code_response_type_not_supported',
    asks: 'Is the response type code supported?',
    spec: specs.metadata('2'),
    judge: ofValid((metadata) =>
      strings(metadata.response_types_supported).some((type) => type.split(' ').includes('code'))
        ? success('The response type code is supported.')
        : error('response_types_supported has nothing with code.'),
    ),
  },
  {
    code: 'authorization_code_grant_supported',
    otherwise: 'authorization_code_grant_not_supported',
    asks: 'Is the grant authorization_code supported?',
    spec: specs.metadata('2'),
    judge: ofValid(({ grant_types_supported: grants }) =>
      grants === undefined || strings(grants).includes('authorization_code')
        ? success('The grant authorization_code is supported.')
        : error('grant_types_supported lacks authorization_code.'),
    ),
  },
  {
    code: 'pkce_supported',
    otherwise: 'pkce_not_supported',
    asks: 'Is PKCE supported? Clients must refuse a server that does not say so.',
    spec: specs.mcp('authorization-code-protection'),
    judge: ofValid(({ code_challenge_methods_supported: methods }) =>
      methods === undefined
        ? error('code_challenge_methods_supported is not there.')
        : success('code_challenge_methods_supported is there.'),
    ),
  },
  {
    code: 's256_code_challenge_method_supported',
    otherwise: 's256_code_challenge_method_not_supported',
    asks: 'Is S256 among the methods of PKCE?',
    spec: specs.pkce('4.2'),
    judge: ofValid(({ code_challenge_methods_supported: methods }) => {
      if (methods === undefined) return undefined
      return strings(methods).includes('S256')
        ? success('S256 is among the methods of PKCE.')
        : error('code_challenge_methods_supported lacks S256.')
    }),
  },
  {
    code: 'dynamic_registration_supported',
    otherwise: 'dynamic_registration_not_supported',
    asks: 'Can clients register themselves?',
    spec: specs.registration('3'),
    judge: ofValid(({ registration_endpoint: endpoint }) =>
      endpoint
        ? success('There is a registration_endpoint.')
        : warning(
            'There is no registration_endpoint: clients without a metadata document need an administrator.',
          ),
    ),
  },
  {
    code: 'jwks_uri_present',
    otherwise: 'missing_jwks_uri',
    asks: 'Is it said where the keys are that verify access tokens?',
    spec: specs.metadata('2'),
    judge: ofValid(({ jwks_uri: uri }) =>
      uri === undefined
        ? error('There is no jwks_uri: no JWT can be verified.')
        : success('There is a jwks_uri.'),
    ),
  },
  {
    code: 'grant_types_listed',
    asks: 'Are the grants listed? mcp-auth for Python refuses a server that leaves it to the default.',
    spec: specs.metadata('2'),
    judge: ofValid(({ grant_types_supported: grants }) =>
      grants === undefined
        ? warning(
            'grant_types_supported is not there, and the default is not enough for mcp-auth for Python.',
          )
        : success('grant_types_supported is there.'),
    ),
  },
  {
    code: 'pkce_methods_listed',
    asks: 'Is the list of methods of PKCE not empty? mcp-auth for Python takes an empty one for none.',
    spec: specs.metadata('2'),
    judge: ofValid(({ code_challenge_methods_supported: methods }) => {
      if (methods === undefined) return undefined
      return strings(methods).length > 0
        ? success('code_challenge_methods_supported lists something.')
        : warning('code_challenge_methods_supported is empty: mcp-auth for Python says pkce_not_supported.')
    }),
  },
]
