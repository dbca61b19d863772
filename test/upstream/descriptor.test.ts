import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { builtInDescriptors } from '../../src/upstream/built-in-descriptors.ts'
import { descriptorDocumentSchema, overlaySchema } from '../../src/upstream/descriptor.ts'
import { DescriptorError, namedHosts, resolveDescriptor } from '../../src/upstream/resolve-descriptor.ts'

const https = { allowLoopback: false }
const development = { allowLoopback: true }

const acme = {
  name: 'Acme',
  kind: 'oauth2',
  server: {
    issuer: 'https://id.acme.test',
    authorization_endpoint: 'https://id.acme.test/authorize',
    token_endpoint: 'https://id.acme.test/token',
    userinfo_endpoint: 'https://api.acme.test/me',
  },
  identity: { sources: ['userinfo'], subject: 'id', label: ['name'] },
}

type Variables = Record<string, string>

function faultsOf(source: string | Record<string, unknown>, variables: Variables = {}, rules = https) {
  try {
    resolveDescriptor(source, variables, rules)
  } catch (error) {
    if (error instanceof DescriptorError) return error.errors
    throw error
  }
  return []
}

const pointersOf = (...described: Parameters<typeof faultsOf>) =>
  faultsOf(...described).map(({ pointer }) => pointer)

test('the schema that editors use is the one descriptors are checked with', async () => {
  const generated = z.toJSONSchema(descriptorDocumentSchema, { io: 'input' })
  await expect(`${JSON.stringify(generated, null, 2)}\n`).toMatchFileSnapshot('../../providers/schema.json')
})

test.each([
  ['github', {}],
  ['github-app', {}],
  ['google', {}],
  ['atlassian', {}],
  ['oidc', { issuer: 'https://id.acme.test' }],
])('the built-in descriptor %s needs no more than this', (id, variables) => {
  expect(resolveDescriptor(id, variables, https)).toMatchObject({ name: expect.any(String) })
})

test('every built-in descriptor is tried here, and links to what documents it', () => {
  expect([...builtInDescriptors.keys()].sort()).toEqual([
    'atlassian',
    'github',
    'github-app',
    'google',
    'oidc',
  ])
  for (const document of builtInDescriptors.values()) {
    expect(document).toMatchObject({ docs: expect.stringMatching(/^https:/), notes: expect.any(Array) })
  }
})

test('a scope that identity needs or that is implied has words a person understands', () => {
  for (const [id, variables] of [
    ['github', {}],
    ['google', {}],
    ['atlassian', {}],
    ['oidc', { issuer: 'https://a.test' }],
  ] as const) {
    const { identity, catalog } = resolveDescriptor(id, variables, https).scopes
    expect(identity.filter((scope) => !Object.hasOwn(catalog, scope))).toEqual([])
  }
})

test('variables move a provider to another host', () => {
  const variables = { web: 'https://git.acme.test', api: 'https://git.acme.test/api/v3' }
  const { server, identity, revocation } = resolveDescriptor('github', variables, https)
  expect(server).toMatchObject({
    issuer: 'https://git.acme.test/login/oauth',
    token_endpoint: 'https://git.acme.test/login/oauth/access_token',
    userinfo_endpoint: 'https://git.acme.test/api/v3/user',
  })
  expect(identity.email).toMatchObject({ list: 'https://git.acme.test/api/v3/user/emails?per_page=100' })
  expect(revocation).toMatchObject({ url: 'https://git.acme.test/api/v3/applications/{client_id}/token' })
})

test('a variable that stands alone keeps its last slash, one before a path gives it up', () => {
  const issuer = 'https://tenant.auth.test/'
  expect(resolveDescriptor('oidc', { issuer }, https).server.issuer).toBe(issuer)
  const { server } = resolveDescriptor('github', { web: 'https://git.acme.test/' }, https)
  expect(server.authorization_endpoint).toBe('https://git.acme.test/login/oauth/authorize')
})

test('a missing, an unknown and a bad variable are all reported at once', () => {
  expect(pointersOf('oidc')).toEqual(['/variables/issuer'])
  expect(
    pointersOf('github', { host: 'https://a.test', web: 'ftp://a.test', api: 'https://a.test?x=1' }),
  ).toEqual(['/variables/host', '/variables/web', '/variables/api'])
  expect(pointersOf('github', JSON.parse('{"__proto__": "https://a.test"}'))).toEqual([
    '/variables/__proto__',
  ])
})

test.each([
  'http://id.acme.test',
  'http://10.0.0.1',
  'https://user:password@id.acme.test',
  'https://id.acme.test/#fragment',
  'https://id.acme.test/#',
  'javascript:alert(1)',
  'id.acme.test',
  '',
])('the issuer %j is refused', (issuer) => {
  expect(pointersOf('oidc', { issuer })).toEqual(['/variables/issuer'])
})

test.each(['http://localhost:9000', 'http://127.0.0.1:9000', 'http://[::1]:9000'])(
  '%s is an issuer only where loopback is allowed',
  (issuer) => {
    expect(pointersOf('oidc', { issuer })).toEqual(['/variables/issuer'])
    expect(pointersOf('oidc', { issuer }, development)).toEqual([])
  },
)

test('loopback is the only place http is ever spoken to', () => {
  expect(pointersOf('oidc', { issuer: 'http://id.acme.test' }, development)).toEqual(['/variables/issuer'])
  expect(pointersOf('oidc', { issuer: 'http://localhost.acme.test' }, development)).toEqual([
    '/variables/issuer',
  ])
})

test('an inline descriptor describes a provider nobody thought of', () => {
  const resolved = resolveDescriptor(acme, {}, https)
  expect(resolved).toMatchObject({
    pkce: 'S256',
    callback: { iss: 'if_present' },
    refresh: { reuse_window: 0 },
  })
  expect([...namedHosts(resolved)]).toEqual(['id.acme.test', 'api.acme.test'])
})

test('an overlay changes members of a section and leaves the others', () => {
  const overlay = {
    extends: 'google',
    name: 'Acme Workspace',
    scopes: { catalog: { openid: 'Know you' } },
    callback: { iss: 'required' },
  }
  const base = resolveDescriptor('google', {}, https)
  const resolved = resolveDescriptor(overlay, {}, https)
  expect(resolved).toMatchObject({ name: 'Acme Workspace', callback: { iss: 'required' }, kind: 'oidc' })
  expect(resolved.scopes).toEqual({ ...base.scopes, catalog: { openid: 'Know you' } })
  expect(resolved.authorization).toEqual(base.authorization)
})

test('an overlay may extend what itself extends something', () => {
  const resolved = resolveDescriptor({ extends: 'github-app', name: 'Acme' }, {}, https)
  expect(resolved.scopes).toMatchObject({ granted: 'unreported', identity: [] })
  expect(resolved.server.token_endpoint).toBe('https://github.com/login/oauth/access_token')
})

test('only a built-in descriptor can be named or extended', () => {
  expect(pointersOf('nobody')).toEqual([''])
  expect(pointersOf('../package')).toEqual([''])
  expect(pointersOf('schema')).toEqual([''])
  expect(pointersOf({ extends: 'nobody' })).toEqual(['/extends'])
  expect(pointersOf({ extends: 7 })).toEqual(['/extends'])
})

test.each([
  ['a misspelt member', { ...acme, scops: {} }, ''],
  ['a misspelt member of a section', { ...acme, refresh: { rotate: true } }, '/refresh'],
  [
    'a missing endpoint',
    { ...acme, server: { ...acme.server, token_endpoint: undefined } },
    '/server/token_endpoint',
  ],
  [
    'no way to learn who it is',
    { ...acme, server: { ...acme.server, userinfo_endpoint: undefined } },
    '/server/userinfo_endpoint',
  ],
  ['ID tokens without keys', { ...acme, kind: 'oidc' }, '/server/jwks_uri'],
  [
    'ID tokens without OpenID Connect',
    { ...acme, identity: { ...acme.identity, sources: ['id_token'] } },
    '/identity/sources',
  ],
  ['an undeclared variable', { ...acme, server: { ...acme.server, issuer: '{web}/x' } }, '/server/issuer'],
  [
    'a variable inside a host',
    { ...acme, server: { ...acme.server, issuer: 'https://{t}.acme.test' } },
    '/server/issuer',
  ],
  [
    'an http endpoint',
    { ...acme, server: { ...acme.server, token_endpoint: 'http://id.acme.test' } },
    '/server/token_endpoint',
  ],
  [
    'a state of its own',
    { ...acme, authorization: { parameters: { state: 'fixed' } } },
    '/authorization/parameters/state',
  ],
  [
    'a redirect of its own',
    { ...acme, authorization: { offline: { redirect_uri: 'https://x.test' } } },
    '/authorization/offline/redirect_uri',
  ],
  ['a scope that is two', { ...acme, scopes: { identity: ['read write'] } }, '/scopes/identity/0'],
  ['a meaning we do not know', { ...acme, errors: [{ error: 'no', means: 'ignore' }] }, '/errors/0/means'],
])('a descriptor with %s is refused', (_what, document, pointer) => {
  expect(pointersOf(JSON.parse(JSON.stringify(document)))).toEqual([pointer])
})

test('an overlay is checked by editors as strictly as here', () => {
  expect(overlaySchema.safeParse({ extends: 'github', scopes: { identity: [] } }).success).toBe(true)
  expect(overlaySchema.safeParse({ extends: 'github', scopes: { identitty: [] } }).success).toBe(false)
})

test('whatever an administrator writes, the answer is a descriptor or a list of faults', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.dictionary(fc.string(), fc.string()),
      (document, variables) => {
        expect(faultsOf({ extends: 'github', ...document }, variables)).toBeInstanceOf(Array)
      },
    ),
  )
})
