import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBrowser } from '../support/browser.ts'
import { authorizeUrl, claimsOf, newPkce, resourceUri, startWorld, type World } from '../support/world.ts'
import { type KnownClient, knownClients } from './known-clients.ts'

let world: World

beforeAll(async () => {
  // Google has no limit of sign-ins an hour.
  world = await startWorld('google')
})
afterAll(() => world.stop())

type Registered = { client_id: string; client_secret?: string; token_endpoint_auth_method: string }

async function register({ registration }: Pick<KnownClient, 'registration'>) {
  const response = await fetch(`${world.gateway.url}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(registration),
  })
  const body = (await response.json()) as Registered
  expect(response.status, JSON.stringify(body)).toBe(201)
  return body
}

/** Goes to the end of an authorization request; a parameter that is empty is not sent. */
async function authorize(client: Registered, redirectUri: string, asks: Record<string, string>) {
  const { verifier, challenge } = newPkce()
  const target = { gateway: world.gateway, clientId: client.client_id }
  const parameters = { resource: '', redirect_uri: redirectUri, ...asks }
  const url = new URL(authorizeUrl(target, challenge, parameters))
  for (const [name, value] of [...url.searchParams]) if (value === '') url.searchParams.delete(name)
  const stop = await createBrowser({ redirectUris: [redirectUri] }).walk(url.href, ['allow'])
  if (!stop.left) throw new Error(`still on ${stop.status} ${stop.text}`)
  return { verifier, url: stop.url, answer: new URL(stop.url).searchParams }
}

/** How both SDKs send Basic, not encoded, and how RFC 6749 section 2.3.1 has it. */
type Encoding = (text: string) => string
const asItIs: Encoding = (text) => text

async function askForTokens(client: Registered, form: Record<string, string>, encode = asItIs) {
  const { client_id: id, client_secret: secret } = client
  const pair = Buffer.from(`${encode(id)}:${encode(secret ?? '')}`).toString('base64')
  const response = await fetch(`${world.gateway.url}/oauth/token`, {
    method: 'POST',
    headers: {
      accept: 'application/json',
      ...(secret === undefined ? {} : { authorization: `Basic ${pair}` }),
    },
    body: new URLSearchParams(secret === undefined ? { client_id: id, ...form } : form),
  })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}

const hasNull = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && Object.values(value).some(hasNull))

describe.each(knownClients)('$name', (known) => {
  test('registers, signs in and refreshes', async () => {
    const client = await register(known)
    expect(client).toMatchObject({ redirect_uris: known.registration.redirect_uris })
    const { redirectUri } = known
    const { verifier, answer, url } = await authorize(client, redirectUri, known.asks)
    expect(url.split('?')[0]).toBe(redirectUri)
    expect(Object.fromEntries(answer)).toEqual({
      code: expect.any(String),
      state: 'state-of-the-client',
      iss: world.gateway.issuer,
    })
    const code = answer.get('code') ?? ''
    const proof = { grant_type: 'authorization_code', code, code_verifier: verifier }
    const first = await askForTokens(client, { ...proof, redirect_uri: redirectUri })
    expect(first).toMatchObject({ status: 200, body: { scope: known.granted, token_type: 'Bearer' } })
    expect(claimsOf(first.body.access_token ?? '').aud).toBe(resourceUri)

    const refresh = { grant_type: 'refresh_token', refresh_token: first.body.refresh_token ?? '' }
    const second = await askForTokens(client, { ...refresh, ...known.refresh })
    expect(second).toMatchObject({ status: 200, body: { scope: known.granted } })
    expect(claimsOf(second.body.access_token ?? '').aud).toBe(resourceUri)
    expect([client, first.body, second.body].filter(hasNull)).toEqual([])
  })

  test('is told by the code of an error what it can do about it', async () => {
    const client = await register(known)
    const dead = { grant_type: 'refresh_token', refresh_token: `cc_refresh_${'A'.repeat(43)}` }
    const gone = await askForTokens(client, dead)
    expect(gone).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    await world.gateway.admin('DELETE', `/clients/${client.client_id}`)
    const forgotten = await askForTokens(client, dead)
    expect(forgotten).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    expect([gone.body, forgotten.body].filter(hasNull)).toEqual([])
  })
})

test('HTTP Basic is understood as the SDKs send it and as RFC 6749 section 2.3.1 has it', async () => {
  const redirectUri = 'http://localhost:8090/callback'
  const client = await register({ registration: { redirect_uris: [redirectUri] } })
  expect(client.token_endpoint_auth_method).toBe('client_secret_basic')
  const percent: Encoding = (text) => text.replaceAll('_', '%5F')
  for (const encode of [asItIs, percent]) {
    const { answer, verifier } = await authorize(client, redirectUri, {})
    const proof = {
      grant_type: 'authorization_code',
      code: answer.get('code') ?? '',
      code_verifier: verifier,
    }
    expect(await askForTokens(client, proof, encode)).toMatchObject({ status: 200 })
  }
})

test.each(['a b+c/d=e&f', 'é\u{1f511}', '%7B%22a%22%3A1%7D', '{"nonce":"x","to":"https://a.test/?b=c#d"}'])(
  'the state %s comes back as it was',
  async (state) => {
    const redirectUri = 'http://127.0.0.1:7777/callback'
    const client = await register({
      registration: { redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' },
    })
    const { answer } = await authorize(client, redirectUri, { state })
    expect([answer.has('code'), answer.getAll('state')]).toEqual([true, [state]])
    expect((await authorize(client, redirectUri, { state: '' })).answer.has('state')).toBe(false)
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
