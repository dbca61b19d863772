import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBrowser } from '../support/browser.ts'
import { clientDocument, startDocumentHost } from '../support/document-host.ts'
import {
  authorizeUrl,
  introspect,
  newPkce,
  redirectUri,
  refresh,
  signIn,
  startWorld,
  type World,
} from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

const twoUris = [redirectUri, 'https://client.test/callback']

type Registration = Record<string, unknown> & {
  client_id: string
  client_secret?: string
  registration_access_token: string
  registration_client_uri: string
}

const metadata = {
  client_name: 'Managed client',
  redirect_uris: ['http://127.0.0.1/callback'],
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  client_uri: 'https://client.test/',
}

async function register(more: Record<string, unknown> = {}): Promise<Registration> {
  const response = await fetch(`${world.gateway.url}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...metadata, ...more }),
  })
  expect(response.status).toBe(201)
  return (await response.json()) as Registration
}

async function manage(method: string, url: string, token: string | undefined, body?: unknown) {
  const response = await fetch(url, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const answer = (text === '' ? {} : JSON.parse(text)) as Registration & { error?: string }
  return { status: response.status, answer, headers: response.headers }
}

const put = async (client: Registration, body: Record<string, unknown>) =>
  await manage('PUT', client.registration_client_uri, client.registration_access_token, {
    client_id: client.client_id,
    ...metadata,
    ...body,
  })

test('a client reads its registration, and its token stays the same', async () => {
  const client = await register()
  expect(client.registration_client_uri).toBe(`${world.gateway.issuer}/oauth/register/${client.client_id}`)
  expect(client.registration_access_token).toMatch(/^cc_rat_/)
  const read = await manage('GET', client.registration_client_uri, client.registration_access_token)
  expect([read.status, read.answer]).toEqual([200, client])
  expect(read.headers.get('cache-control')).toBe('no-store')
  expect(read.headers.get('access-control-allow-origin')).toBe('*')
})

test('a secret is in the answer that made it alone', async () => {
  const client = await register({ token_endpoint_auth_method: 'client_secret_basic' })
  const read = await manage('GET', client.registration_client_uri, client.registration_access_token)
  expect(read.answer.client_secret).toBeUndefined()
})

test('a page of any origin may manage a registration', async () => {
  const { registration_client_uri: url } = await register()
  const response = await fetch(url, { method: 'OPTIONS' })
  expect(response.status).toBe(204)
  expect(response.headers.get('access-control-allow-methods')).toBe('GET, PUT, DELETE, OPTIONS')
})

describe('a change', () => {
  test('replaces everything and the token, which works once', async () => {
    const client = await register({ tos_uri: 'https://client.test/terms' })
    const { client_uri: _, ...rest } = metadata
    const token = client.registration_access_token
    const body = { client_id: client.client_id, ...rest, client_name: 'Renamed' }
    const { status, answer } = await manage('PUT', client.registration_client_uri, token, body)
    expect(status).toBe(200)
    expect(answer).toMatchObject({ client_id: client.client_id, client_name: 'Renamed' })
    expect(answer).not.toHaveProperty('client_uri')
    expect(answer).not.toHaveProperty('tos_uri')
    expect(answer.registration_access_token).not.toBe(token)
    expect((await manage('GET', client.registration_client_uri, token)).status).toBe(401)
    const read = await manage('GET', client.registration_client_uri, answer.registration_access_token)
    expect(read.answer).toEqual(answer)
  })

  test('that comes many times at once with one token is made once', async () => {
    const client = await register()
    const answers = await Promise.all(Array.from({ length: 5 }, () => put(client, {})))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401, 401, 401, 401])
  })

  test.each<[string, (client: Registration) => Record<string, unknown>]>([
    ['without client_id', () => ({ client_id: undefined })],
    ['with the client_id of another', () => ({ client_id: world.clientId })],
    ['with a secret of its choice', () => ({ client_secret: 'x'.repeat(40) })],
    [
      'with a registration token',
      (client) => ({ registration_access_token: client.registration_access_token }),
    ],
    ['with a registration address', () => ({ registration_client_uri: 'https://client.test/' })],
    ['with when it was registered', () => ({ client_id_issued_at: 1 })],
    ['with when its secret ends', () => ({ client_secret_expires_at: 0 })],
    ['with a redirect URI that is script', () => ({ redirect_uris: ['javascript:alert(1)'] })],
    ['without redirect URIs', () => ({ redirect_uris: undefined })],
  ])('%s is refused and changes nothing', async (_what, body) => {
    const client = await register({ token_endpoint_auth_method: 'client_secret_post' })
    const { status, answer } = await put(client, body(client))
    expect(status).toBe(400)
    expect(answer.error).toMatch(/^invalid_(client_metadata|redirect_uri)$/)
    const read = await manage('GET', client.registration_client_uri, client.registration_access_token)
    expect(read.status).toBe(200)
    expect(read.answer.token_endpoint_auth_method).toBe('client_secret_post')
  })

  test('keeps its secret, drops it, or gets one where it had none', async () => {
    const basic = { token_endpoint_auth_method: 'client_secret_basic' }
    const client = await register(basic)
    const kept = await put(client, { ...basic, client_secret: client.client_secret })
    expect([kept.status, kept.answer.client_secret]).toEqual([200, undefined])
    const dropped = await put(kept.answer, {})
    expect(dropped.answer.token_endpoint_auth_method).toBe('none')
    const given = await put(dropped.answer, basic)
    expect(given.answer.client_secret).toMatch(/^cc_secret_/)
    expect(given.answer.client_secret).not.toBe(client.client_secret)
  })

  test.each<[string, Record<string, unknown>]>([
    ['a logo', { logo_uri: 'https://client.test/other.png' }],
    ['a name', { client_name: 'Another name' }],
    ['a further redirect URI', { redirect_uris: [...twoUris, 'https://client.test/other'] }],
    ['keys', { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'https://client.test/keys' }],
  ])('of %s makes people’s earlier yes count no more', async (_of, change) => {
    const client = await register({ redirect_uris: twoUris })
    const parameters = { redirect_uri: 'https://client.test/callback' }
    const browser = createBrowser({ redirectUris: twoUris })
    const url = authorizeUrl({ ...world, clientId: client.client_id }, newPkce().challenge, parameters)
    const ask = async () => (await browser.get(url.replace('response_type=code', 'response_type=token'))).left
    expect((await browser.walk(url, ['allow'])).left).toBe(true)
    // The person approved it: errors are sent to it at once.
    expect(await ask()).toBe(true)
    expect((await put(client, { redirect_uris: twoUris, ...change })).status).toBe(200)
    expect(await ask()).toBe(false)
  })
})

describe('a deletion', () => {
  test('ends everything of the client', async () => {
    const client = await register()
    const { tokens } = await signIn({ ...world, clientId: client.client_id })
    expect(await introspect(world, tokens.access_token)).toMatchObject({ active: true })
    const { registration_client_uri: url, registration_access_token: token } = client
    expect((await manage('DELETE', url, token)).status).toBe(204)
    expect(await introspect(world, tokens.access_token)).toEqual({ active: false })
    const refreshed = await refresh({ ...world, clientId: client.client_id }, tokens.refresh_token)
    expect(refreshed.status).toBe(401)
    for (const method of ['GET', 'PUT', 'DELETE']) {
      expect((await manage(method, url, token, method === 'GET' ? undefined : {})).status).toBe(401)
    }
  })
})

describe('nothing but its own token manages a registration', () => {
  test.each(['GET', 'PUT', 'DELETE'])('%s', async (method) => {
    const [client, other] = [await register(), await register()]
    const { tokens } = await signIn({ ...world, clientId: client.client_id })
    const body = method === 'PUT' ? { client_id: client.client_id, ...metadata } : undefined
    const wrong = [
      'cc_rat_wrong',
      other.registration_access_token,
      tokens.access_token,
      tokens.refresh_token,
      world.gateway.adminToken,
    ]
    const { error_description: _, ...first } = (
      await manage(method, client.registration_client_uri, 'cc_rat_wrong', body)
    ).answer
    for (const token of wrong) {
      const { status, answer, headers } = await manage(method, client.registration_client_uri, token, body)
      expect([status, answer.error]).toEqual([401, 'invalid_token'])
      expect(answer).toMatchObject(first)
      expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    }
    expect((await manage(method, client.registration_client_uri, undefined, body)).status).toBe(401)
    // A client that is not there gets the same words.
    const nobody = `${world.gateway.url}/oauth/register/client_nobody`
    const known = await manage(method, client.registration_client_uri, 'cc_rat_wrong', body)
    expect((await manage(method, nobody, 'cc_rat_wrong', body)).answer).toEqual(known.answer)
  })

  test('clients of an administrator and published ones are out of reach', async () => {
    const host = await startDocumentHost()
    const id = `${host.origin}/client.json`
    host.serve('/client.json', { body: clientDocument(id) })
    await signIn({ ...world, clientId: id })
    const made = await world.gateway.admin<{ client_id: string }>('POST', '/clients', metadata)
    const { registration_access_token: token } = await register()
    for (const each of [id, made.client_id]) {
      const url = `${world.gateway.url}/oauth/register/${encodeURIComponent(each)}`
      for (const method of ['GET', 'DELETE']) expect((await manage(method, url, token)).status).toBe(401)
    }
    await host.stop()
  })

  test('nor one that an administrator disabled', async () => {
    const client = await register()
    await world.gateway.admin('PATCH', `/clients/${client.client_id}`, { enabled: false })
    const { registration_client_uri: url, registration_access_token: token } = client
    expect((await manage('GET', url, token)).status).toBe(401)
  })

  test('and such a token is no access token', async () => {
    const client = await register()
    expect(await introspect(world, client.registration_access_token)).toEqual({ active: false })
  })
})
