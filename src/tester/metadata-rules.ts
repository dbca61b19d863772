import { isLoopbackHost } from '../lib/address.ts'
import { checkUpstreamUrl } from '../lib/upstream-url.ts'
import { error, type Rule, success, type Verdict, warning } from './check.ts'
import { type Json, listed, quoted, strings } from './heard.ts'
import type { ServerFacts } from './server-facts.ts'
import { specs } from './specs.ts'

const urlMembers = [
  'authorization_endpoint',
  'token_endpoint',
  'registration_endpoint',
  'jwks_uri',
  'revocation_endpoint',
  'introspection_endpoint',
  'userinfo_endpoint',
  'pushed_authorization_request_endpoint',
  'device_authorization_endpoint',
]

/** Why a URL is none that clients go to: https, or http where all of it is on this machine. */
export function urlFault(value: unknown, from: string): string | undefined {
  if (typeof value !== 'string') return 'is not a URL'
  const allowLoopback = isLoopbackHost(URL.parse(from)?.hostname ?? '')
  return checkUpstreamUrl(value, { allowLoopback })
}

const ofMetadata =
  (judge: (metadata: Json, facts: ServerFacts) => Verdict | undefined): Rule<ServerFacts>['judge'] =>
  (facts) =>
    facts.found && judge(facts.found.metadata, facts)

/** A promise that clients look for in the metadata. */
const promised = (name: string, yes: string, no: string) =>
  ofMetadata((metadata) => (metadata[name] === true ? success(yes) : warning(no)))

/** What the metadata say. */
export const metadataRules: readonly Rule<ServerFacts>[] = [
  {
    code: 'issuer',
    asks: 'Is issuer what clients are told, byte for byte?',
    spec: specs.metadata('3.3'),
    judge: ofMetadata(({ issuer: named }, { issuer }) =>
      named === issuer
        ? success(`issuer is ${quoted(issuer)}.`)
        : error(`issuer is ${quoted(named)} and not ${quoted(issuer)}: clients must refuse all of it.`),
    ),
  },
  {
    code: 'issuer_form',
    asks: 'Is issuer an https URL without query and fragment, and without a slash where it has no path?',
    spec: specs.metadata('2'),
    judge: ofMetadata(({ issuer }) => {
      const fault = typeof issuer === 'string' ? urlFault(issuer, issuer) : 'is no text'
      if (fault !== undefined) return error(`issuer ${fault}.`)
      const { search, pathname } = new URL(String(issuer))
      if (search !== '' || String(issuer).includes('?')) return error('issuer has a query.')
      return pathname === '/' && String(issuer).endsWith('/')
        ? warning(
            'issuer ends in a slash, which many write without it; a token of the one is none of the other.',
          )
        : success('issuer has the form it must have.')
    }),
  },
  {
    code: 'endpoint_urls',
    asks: 'Is every endpoint an absolute https URL?',
    spec: specs.bestPractice('2.6'),
    judge: ofMetadata((metadata, { issuer }) => {
      const faults = urlMembers
        .filter((name) => metadata[name] !== undefined)
        .flatMap((name) => {
          const fault = urlFault(metadata[name], issuer)
          return fault === undefined ? [] : [`${name} ${fault}`]
        })
      return faults.length === 0
        ? success('Every endpoint is an absolute https URL, or all of it is on this machine.')
        : error(`${faults.join('; ')}.`)
    }),
  },
  {
    code: 'no_nulls',
    asks: 'Is no member null, and no list empty? Official SDKs refuse the whole document for one null.',
    spec: specs.metadata('3.2'),
    judge: ofMetadata((metadata) => {
      const names = (isIt: (value: unknown) => boolean) =>
        Object.keys(metadata).filter((name) => isIt(metadata[name]))
      const nulls = names((value) => value === null)
      if (nulls.length > 0) return error(`Null, and better left out: ${listed(nulls)}.`)
      const empty = names((value) => Array.isArray(value) && value.length === 0)
      return empty.length > 0
        ? warning(`Empty, and better left out: ${listed(empty)}.`)
        : success('No member is null, and no list empty.')
    }),
  },
  {
    code: 'pkce_plain',
    asks: 'Is the method plain absent from PKCE? It protects against nobody who reads the request.',
    spec: specs.bestPractice('2.1.1'),
    judge: ofMetadata(({ code_challenge_methods_supported: methods }) => {
      if (methods === undefined) return undefined
      return strings(methods).includes('plain')
        ? warning('code_challenge_methods_supported lists plain.')
        : success('PKCE is not offered as plain.')
    }),
  },
  {
    code: 'removed_grants',
    asks: 'Are the implicit and the password grant gone, as in OAuth 2.1?',
    spec: specs.bestPractice('2.1.2'),
    judge: ofMetadata((metadata) => {
      const grants = strings(metadata.grant_types_supported).filter((each) =>
        /^(implicit|password)$/.test(each),
      )
      const types = strings(metadata.response_types_supported).filter((each) =>
        each.split(' ').includes('token'),
      )
      const old = [...grants, ...types]
      return old.length > 0
        ? warning(`Offered, though OAuth 2.1 has removed it: ${listed(old)}.`)
        : success('Nothing is offered that OAuth 2.1 has removed.')
    }),
  },
  {
    code: 'refresh_tokens',
    asks: 'Is refresh_token among the grants? Without it people sign in again whenever a token ends.',
    spec: specs.mcp('token-theft'),
    judge: ofMetadata(({ grant_types_supported: grants }) => {
      if (grants === undefined) return undefined
      return strings(grants).includes('refresh_token')
        ? success('There are refresh tokens.')
        : warning('grant_types_supported lacks refresh_token: people sign in again whenever a token ends.')
    }),
  },
  {
    code: 'public_clients',
    asks: 'Is none among the ways clients authenticate? MCP clients keep no secret.',
    spec: specs.metadata('2'),
    judge: ofMetadata(({ token_endpoint_auth_methods_supported: methods }) =>
      strings(methods).includes('none')
        ? success('Clients without a secret are welcome.')
        : warning(
            'token_endpoint_auth_methods_supported lacks none: clients with a metadata document stay outside.',
          ),
    ),
  },
  {
    code: 'iss_parameter',
    asks: 'Does the answer to an authorization request say by iss whose it is?',
    spec: specs.iss('3'),
    judge: promised(
      'authorization_response_iss_parameter_supported',
      'Authorization responses are promised to carry iss.',
      'authorization_response_iss_parameter_supported is not true: clients cannot tell one server’s answer from another’s.',
    ),
  },
  {
    code: 'client_documents',
    asks: 'May clients be known by their metadata document (CIMD), as MCP prefers?',
    spec: specs.clientDocuments,
    judge: promised(
      'client_id_metadata_document_supported',
      'Clients may be known by their metadata document.',
      'client_id_metadata_document_supported is not true: every client has to register first.',
    ),
  },
]
