import {
  atPath,
  atRoot,
  audienceOf,
  challenge,
  challenged,
  invalidToken,
  issuer,
  mcpServer,
  type Said,
  soundMcpServer,
  soundResource,
  type World,
} from '../support/tested-world.ts'

import type { Broken } from './broken-servers.ts'

const knock = `POST ${mcpServer}`
const moved = (location: string): Said => ({ status: 302, headers: { location } })
const document = (body: unknown, headers: Record<string, string> = {}): Said => ({
  headers: { 'access-control-allow-origin': '*', 'cache-control': 'max-age=60', ...headers },
  body,
})
const inPlaces = (said: Said): World => ({ [`GET ${atPath}`]: said, [`GET ${atRoot}`]: said })
const asResource = (change: object) => soundMcpServer({ ...soundResource, ...change })
const withoutToken = (said: Said): World => ({
  [knock]: ({ headers: { authorization } }) => (authorization?.startsWith('Bearer ') ? invalidToken : said),
})
/** Lets in whom it likes. */
const lettingIn = (isIn: (headers: Record<string, string>) => boolean): World => ({
  [knock]({ headers }) {
    if (headers.authorization === undefined) return challenged()
    return isIn(headers) ? { body: { jsonrpc: '2.0', id: 1, result: {} } } : invalidToken
  },
})
const algorithmOf = (headers: Record<string, string>) =>
  audienceOf(headers) === mcpServer
    ? JSON.parse(Buffer.from(headers.authorization?.slice(7).split('.')[0] ?? '', 'base64url').toString()).alg
    : undefined

export const brokenMcpServers: readonly Broken[] = [
  ['no metadata', inPlaces({ status: 404, body: {} }), ['error resource_metadata']],
  [
    'metadata at the root only, and a challenge to elsewhere',
    { [`GET ${atPath}`]: { status: 404, body: {} } },
    ['error resource_metadata'],
  ],
  [
    'metadata at the path only',
    { [`GET ${atRoot}`]: { status: 404, body: {} } },
    ['warning resource_metadata'],
  ],
  [
    'two documents',
    { [`GET ${atRoot}`]: document({ ...soundResource, resource: 'https://notes.example' }) },
    ['error resource_metadata_agree'],
  ],
  ['a null in its metadata', asResource({ resource_name: null }), ['error resource_metadata_type']],
  [
    'metadata of another type',
    inPlaces(document(soundResource, { 'content-type': 'text/html' })),
    ['error resource_metadata_type'],
  ],
  [
    'metadata that are redirected',
    { [`GET ${atRoot}`]: moved(atPath) },
    ['warning resource_metadata', 'error resource_no_redirects'],
  ],
  ['another resource', asResource({ resource: 'https://evil.example/mcp' }), ['error resource']],
  ['the origin as its resource', asResource({ resource: 'https://notes.example' }), ['warning resource']],
  ['no resource', asResource({ resource: undefined }), ['error resource']],
  ['no authorization server', asResource({ authorization_servers: [] }), ['error authorization_servers']],
  [
    'an authorization server of http',
    asResource({ authorization_servers: [issuer, 'http://auth.example'] }),
    ['error authorization_servers', 'error fetch_server_config_error'],
  ],
  ['offline_access', asResource({ scopes_supported: ['offline_access'] }), ['warning offline_access']],
  [
    'tokens in the query',
    asResource({ bearer_methods_supported: ['header', 'query'] }),
    ['warning bearer_methods'],
  ],
  [
    'metadata for its own origin',
    inPlaces(document(soundResource, { 'access-control-allow-origin': 'https://other.example' })),
    ['warning resource_cors'],
  ],
  [
    'metadata without caching',
    inPlaces({ headers: { 'access-control-allow-origin': '*' }, body: soundResource }),
    ['warning resource_caching'],
  ],
  [
    'no lock',
    { [knock]: { body: {} } },
    [
      'error challenge',
      'error token_before_body',
      'error other_scheme',
      'error garbage_token',
      'error query_token',
      'error unsigned_token',
      'error forged_token',
      'error foreign_token',
    ],
  ],
  [
    '403 for everybody',
    withoutToken({ status: 403 }),
    ['error challenge', 'warning token_before_body', 'warning other_scheme', 'error query_token'],
  ],
  ['no challenge', withoutToken({ status: 401 }), ['error challenge_form']],
  [
    'quotes that are not escaped',
    withoutToken(challenged('Bearer error_description="Expected "Bearer <token>"."')),
    ['error challenge_form'],
  ],
  ['Basic alone', withoutToken(challenged('Basic realm="notes"')), ['error challenge_form']],
  ['Basic first', withoutToken(challenged(`Basic realm="notes", ${challenge}`)), ['warning challenge_form']],
  [
    'no metadata in the challenge',
    withoutToken(challenged('Bearer scope="a"')),
    ['warning challenge_metadata'],
  ],
  [
    'metadata of http in the challenge',
    withoutToken(challenged('Bearer scope="a", resource_metadata="http://notes.example/prm"')),
    ['error resource_metadata', 'error challenge_metadata'],
  ],
  [
    'no scope in the challenge',
    withoutToken(challenged(`Bearer resource_metadata="${atPath}"`)),
    ['warning challenge_scope'],
  ],
  [
    'an error without a token',
    withoutToken(challenged(`${challenge}, error="invalid_token"`)),
    ['warning challenge_error'],
  ],
  ['405 before 401', { [`GET ${mcpServer}`]: { status: 405 } }, ['warning every_method']],
  ['an open stream', { [`GET ${mcpServer}`]: { body: 'data: 1' } }, ['error every_method']],
  [
    '400 before 401',
    {
      [knock]: ({ headers, body }) =>
        headers.authorization?.startsWith('Bearer ')
          ? invalidToken
          : body === '{'
            ? { status: 400 }
            : challenged(),
    },
    ['warning token_before_body'],
  ],
  [
    'a failure for Basic',
    {
      [knock]: ({ headers: { authorization = '' } }) =>
        authorization.startsWith('Basic')
          ? { status: 500 }
          : authorization === ''
            ? challenged()
            : invalidToken,
    },
    ['error other_scheme'],
  ],
  [
    'an open door for any token',
    lettingIn(() => true),
    [
      'error other_scheme',
      'error garbage_token',
      'error unsigned_token',
      'error forged_token',
      'error foreign_token',
    ],
  ],
  ['the same challenge for a token', { [knock]: challenged() }, ['warning garbage_token']],
  [
    'tokens out of the query',
    {
      [knock]: ({ url, headers: { authorization } }) =>
        authorization?.startsWith('Bearer ') || url.search ? invalidToken : challenged(),
    },
    ['warning query_token'],
  ],
  ['alg none', lettingIn((headers) => algorithmOf(headers) === 'none'), ['error unsigned_token']],
  [
    'no look at the signature',
    lettingIn((headers) => algorithmOf(headers) === 'ES256'),
    ['error forged_token'],
  ],
  [
    'no look at the audience',
    lettingIn(({ authorization }) => authorization === 'Bearer for-another'),
    ['error foreign_token'],
  ],
]
