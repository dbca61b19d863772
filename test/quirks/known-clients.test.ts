import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { claimsOf, resourceUri, startWorld, type World } from '../support/world.ts'
import {
  asItIs,
  ask,
  askForTokens,
  authorize,
  deadToken,
  type Encoding,
  hasNull,
  type Registered,
} from './client.ts'
import { type KnownClient, knownClients } from './known-clients.ts'

let world: World

beforeAll(async () => {
  // Google has no limit of sign-ins an hour.
  world = await startWorld('google')
})
afterAll(() => world.stop())

async function register({ registration }: Pick<KnownClient, 'registration'>) {
  const response = await fetch(`${world.gateway.url}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(registration),
  })
  const body = (await response.json()) as Registered
  expect(response.status, JSON.stringify(body)).toBe(201)
  expect(response.headers.get('cache-control')).toBe('no-store')
  return body
}

describe.each(knownClients)('$name', (known) => {
  test('registers, signs in and refreshes with a scope and without', async () => {
    const client = await register(known)
    const { redirect_uris, token_endpoint_auth_method: method = 'client_secret_basic' } = known.registration
    expect(client).toMatchObject({
      redirect_uris: known.registered ?? redirect_uris,
      // One method, which is the one that works, also where the client named none.
      token_endpoint_auth_method: method,
    })
    // Both SDKs send them in a Basic header as they are.
    expect(`${client.client_id}${client.client_secret ?? ''}`).toMatch(/^[A-Za-z0-9._~-]+$/)
    expect(client.client_secret !== undefined).toBe(method !== 'none')

    const { redirectUri } = known
    const { verifier, answer, url, page } = await authorize(
      world.gateway,
      client.client_id,
      redirectUri,
      known.asks,
    )
    expect(page.text).toContain(known.registration.client_name)
    expect(page.text).toContain('Not verified')
    expect(url.split('?')[0]).toBe(redirectUri)
    expect(Object.fromEntries(answer)).toEqual({
      code: expect.any(String),
      state: 'state-of-the-client',
      iss: world.gateway.issuer,
    })
    const code = answer.get('code') ?? ''
    const proof = { grant_type: 'authorization_code', code, code_verifier: verifier }
    const first = await askForTokens(world.gateway, client, { ...proof, redirect_uri: redirectUri })
    expect(first).toMatchObject({ status: 200, body: { scope: known.granted, token_type: 'Bearer' } })
    expect(claimsOf(first.body.access_token ?? '').aud).toBe(resourceUri)

    const refresh = { grant_type: 'refresh_token', refresh_token: first.body.refresh_token ?? '' }
    const second = await askForTokens(world.gateway, client, { ...refresh, ...known.refresh })
    expect(second).toMatchObject({ status: 200, body: { scope: known.granted } })
    expect(claimsOf(second.body.access_token ?? '').aud).toBe(resourceUri)
    const next = { ...refresh, refresh_token: second.body.refresh_token ?? '', scope: 'notes.read' }
    const third = await askForTokens(world.gateway, client, next)
    expect(third).toMatchObject({ status: 200, body: { scope: 'notes.read' } })
    expect([client, first.body, second.body, third.body].filter(hasNull)).toEqual([])
  })

  test('is told by the code of an error what it can do about it', async () => {
    const client = await register(known)
    const { answer, verifier } = await authorize(
      world.gateway,
      client.client_id,
      known.redirectUri,
      known.asks,
    )
    const proof = {
      grant_type: 'authorization_code',
      code: answer.get('code') ?? '',
      code_verifier: verifier,
    }
    const fails = async (form: Record<string, string>) => {
      const { status, body } = await askForTokens(world.gateway, client, form)
      expect(hasNull(body)).toBe(false)
      return [status, body.error]
    }
    expect(await fails({ ...proof, resource: 'https://other.test/mcp' })).toEqual([400, 'invalid_target'])
    const { body } = await askForTokens(world.gateway, client, proof)
    const refresh = { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' }
    expect(await fails({ ...refresh, refresh_token: deadToken })).toEqual([400, 'invalid_grant'])
    expect(await fails({ ...refresh, scope: `${known.granted} notes.admin` })).toEqual([400, 'invalid_scope'])
    await world.gateway.admin('DELETE', `/clients/${client.client_id}`)
    expect(await fails(refresh)).toEqual([401, 'invalid_client'])
    // Which is why it registers anew.
    expect((await register(known)).client_id).not.toBe(client.client_id)
  })
})

test('HTTP Basic is understood as the SDKs send it and as RFC 6749 section 2.3.1 has it', async () => {
  const redirectUri = 'http://localhost:8090/callback'
  const client = await register({ registration: { redirect_uris: [redirectUri] } })
  expect(client.token_endpoint_auth_method).toBe('client_secret_basic')
  const percent: Encoding = (text) => text.replaceAll('_', '%5F')
  for (const encode of [asItIs, percent]) {
    const { answer, verifier } = await authorize(world.gateway, client.client_id, redirectUri, {})
    const proof = {
      grant_type: 'authorization_code',
      code: answer.get('code') ?? '',
      code_verifier: verifier,
    }
    expect(await askForTokens(world.gateway, client, proof, encode)).toMatchObject({ status: 200 })
  }
})

describe('of several redirect URIs', () => {
  const several = ['https://ide.test/callback', 'someide://callback', 'http://localhost:8787/callback']
  const registration = { redirect_uris: several, token_endpoint_auth_method: 'none' }

  test('one with a scheme that is not allowed here is left out, and the others work', async () => {
    const client = await register({ registration })
    const [web, , local] = several as [string, string, string]
    expect(client.redirect_uris).toEqual([web, local])
    expect((await authorize(world.gateway, client.client_id, local, {})).answer.has('code')).toBe(true)
    const { page } = await ask(world.gateway, client.client_id, { redirect_uri: 'someide://callback' })
    expect(page.text).toContain('We will not send you there')
  })

  test.each(['javascript:alert(1)', 'http://ide.test/callback', 'https://ide.test/callback#f', ''])(
    'one that is none anywhere keeps all of them out: %s',
    async (uri) => {
      const response = await fetch(`${world.gateway.url}/oauth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...registration, redirect_uris: [...several, uri] }),
      })
      const body = (await response.json()) as Record<string, string>
      expect([response.status, body.error]).toEqual([400, 'invalid_redirect_uri'])
      expect(body.error_description).toContain('redirect_uris[3]')
      expect(hasNull(body)).toBe(false)
    },
  )
})

test.each(['a b+c/d=e&f', 'é\u{1f511}', '%7B%22a%22%3A1%7D', '{"nonce":"x","to":"https://a.test/?b=c#d"}'])(
  'the state %s comes back as it was',
  async (state) => {
    const redirectUri = 'http://127.0.0.1:7777/callback'
    const client = await register({
      registration: { redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' },
    })
    const { answer } = await authorize(world.gateway, client.client_id, redirectUri, { state })
    expect([answer.has('code'), answer.getAll('state')]).toEqual([true, [state]])
    const stateless = await authorize(world.gateway, client.client_id, redirectUri, { state: '' })
    expect(stateless.answer.has('state')).toBe(false)
  },
)

test('the metadata has no null, and lists offline_access and public clients', async () => {
  const response = await fetch(`${world.gateway.url}/.well-known/oauth-authorization-server`, {
    headers: { accept: 'application/json', 'mcp-protocol-version': '2026-07-28' },
  })
  const metadata = (await response.json()) as Record<string, string[]>
  expect(hasNull(metadata)).toBe(false)
  expect(metadata.scopes_supported).toContain('offline_access')
  expect(metadata.token_endpoint_auth_methods_supported).toContain('none')
})

test.each([
  '/.well-known/oauth-authorization-server',
  '/.well-known/jwks.json',
  '/oauth/token',
  '/oauth/register',
])('a browser may send MCP-Protocol-Version to %s', async (path) => {
  const response = await fetch(world.gateway.url + path, {
    method: 'OPTIONS',
    headers: {
      origin: 'http://localhost:6274',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'mcp-protocol-version, content-type, authorization',
    },
  })
  expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([204, '*'])
  expect(response.headers.get('access-control-allow-headers')).toContain('mcp-protocol-version')
})

test('who finds it by OpenID Connect Discovery finds what it cannot do without', async () => {
  const response = await fetch(`${world.gateway.url}/.well-known/openid-configuration`)
  expect(await response.json()).toMatchObject({
    jwks_uri: `${world.gateway.issuer}/.well-known/jwks.json`,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  })
})

test.each([
  ['GET', '/.well-known/oauth-authorization-server/'],
  ['GET', '/.well-known//oauth-authorization-server'],
  ['POST', '/oauth/register/'],
  ['POST', '/oauth/token/'],
])('%s %s is not sent elsewhere: clients would not follow', async (method, path) => {
  const response = await fetch(world.gateway.url + path, { method, redirect: 'manual' })
  expect(response.headers.get('location')).toBeNull()
  expect([404, 405]).toContain(response.status)
  expect(await response.json()).toMatchObject({ error: expect.any(String) })
})

test.each([
  '/.well-known/oauth-authorization-server/mcp',
  '/.well-known/openid-configuration/mcp',
  '/.well-known/oauth-protected-resource',
  '/mcp/.well-known/openid-configuration',
])('what is not at %s is a 404 in JSON', async (path) => {
  const response = await fetch(world.gateway.url + path)
  expect([response.status, response.headers.get('content-type')]).toEqual([
    404,
    expect.stringContaining('application/json'),
  ])
  expect(await response.json()).toMatchObject({ error: 'not_found' })
})
