import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/lib/secret.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorize,
  authorizeUrl,
  introspect,
  newBrowser,
  newPkce,
  postToken,
  redeem,
  registerClient,
  retrieve,
  signIn,
} from '../support/world.ts'

// What a stranger may try at `POST /oauth/register`, over HTTP. The rules themselves are tried in test/clients.

let notes: Notes
let listener: Server
let listenerUrl: string
let hits = 0

beforeAll(async () => {
  notes = await startNotes()
  listener = createServer((_request, response) => {
    hits += 1
    response.end('{"keys":[]}')
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  listenerUrl = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
})
afterAll(async () => {
  listener.close()
  await notes.stop()
})

const minimal = { redirect_uris: ['http://127.0.0.1/callback'], token_endpoint_auth_method: 'none' }

async function send(body: string, headers: Record<string, string> = { 'content-type': 'application/json' }) {
  const response = await fetch(`${notes.gateway.url}/oauth/register`, { method: 'POST', headers, body })
  const answer = (await response.json()) as Record<string, unknown>
  expect(response.headers.get('cache-control')).toBe('no-store')
  return { status: response.status, answer }
}

const register = (members: Record<string, unknown>) => send(JSON.stringify({ ...minimal, ...members }))

const clients = async () =>
  (await notes.gateway.admin<{ items: unknown[] }>('GET', '/clients?limit=200')).items.length

async function expectRefused(members: Record<string, unknown>, error: string): Promise<void> {
  const { status, answer } = await register(members)
  expect([status, answer.error], JSON.stringify(members).slice(0, 200)).toEqual([400, error])
}

describe('nothing is registered', () => {
  test('with redirect URIs that run code, are no address of anybody, or are not written plainly', async () => {
    const before = await clients()
    for (const uri of [
      'javascript:alert(1)',
      'JavaScript:alert(1)',
      ' javascript:alert(1)',
      '\u0001javascript:alert(1)',
      'java\nscript:alert(1)',
      'java\tscript:alert(1)',
      'data:text/html,x',
      'vbscript:x',
      'file:///etc/passwd',
      'blob:https://c.test/x',
      'about:blank',
      '',
      '/cb',
      'https://*.c.test/cb',
      'https://c.test/cb#',
      'https://c.test/cb#f',
      'https://u:p@c.test/cb',
      'http://c.test/cb',
      `https://c.test/${'a'.repeat(2_048)}`,
    ]) {
      await expectRefused({ redirect_uris: [uri] }, 'invalid_redirect_uri')
      await expectRefused({ redirect_uris: ['https://c.test/cb', uri] }, 'invalid_redirect_uri')
    }
    // What only the policy forbids is left out where others remain.
    await expectRefused({ redirect_uris: ['myapp:/cb'] }, 'invalid_redirect_uri')
    for (const uris of [undefined, [], null, 'https://c.test/cb', [1], [['https://c.test/cb']]]) {
      await expectRefused({ redirect_uris: uris }, 'invalid_redirect_uri')
    }
    const eleven = Array.from({ length: 11 }, (_, index) => `https://c.test/${index}`)
    await expectRefused({ redirect_uris: eleven }, 'invalid_redirect_uri')
    expect(await clients()).toBe(before)
  })

  test('over http at hosts that only look like this computer', async () => {
    for (const host of [
      'localhost.evil.test',
      '127.0.0.1.nip.io',
      'testlocalhost',
      'localhost.',
      '0.0.0.0',
      '[::]',
      '[::ffff:127.0.0.1]',
      '2130706433',
      '0x7f.1',
      '127.1',
      '127.0.0.2',
    ]) {
      await expectRefused({ redirect_uris: [`http://${host}/cb`] }, 'invalid_redirect_uri')
      await expectRefused({ redirect_uris: [`http://${host}:8080/cb`] }, 'invalid_redirect_uri')
    }
  })

  test.each(['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'jwks_uri', 'tos_uri#fr', 'logo_uri#de'])(
    'with %s that is not a page',
    async (member) => {
      for (const uri of ['javascript:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///x', 'blob:x', 1]) {
        await expectRefused({ [member]: uri }, 'invalid_client_metadata')
      }
    },
  )

  test('in any form but JSON', async () => {
    const text = JSON.stringify(minimal)
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonx',
      'text/html',
    ]) {
      expect((await send(text, { 'content-type': type })).status, type).toBe(415)
    }
    for (const body of ['', '{', 'null', '[]', '"x"', '1', `${text}x`]) {
      const { status } = await send(body)
      expect(status, body).toBe(400)
    }
  })

  test('of a size or a depth that nobody needs, and it is told at once', async () => {
    const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`
    const bodies = [
      JSON.stringify({ ...minimal, client_name: 'x'.repeat(1_000_000) }),
      JSON.stringify({ ...minimal, client_name: 'x'.repeat(50_000) }),
      JSON.stringify({ ...minimal, contacts: Array(10_000).fill('a@c.test') }),
      `{"redirect_uris":["http://127.0.0.1/cb"],"contacts":${deep}}`,
      `{"redirect_uris":${deep}}`,
    ]
    for (const body of bodies) expect([400, 413]).toContain((await send(body)).status)
  })
})

describe('what is registered is what clients may say of themselves, and no more', () => {
  const greedy = {
    client_id: 'client_chosen',
    client_secret: 'chosen',
    client_id_issued_at: 1,
    client_secret_expires_at: 1,
    registration_access_token: 'chosen',
    registration_client_uri: 'https://evil.test/',
    trusted: true,
    skip_consent: true,
    enabled: true,
    origin: 'admin',
    owner: 'admin',
    allowed_providers: ['github'],
    created_at: 1,
    'ssf.enabled': true,
    secretHash: 'x',
  }

  test('neither an id, a secret nor a right of its choice', async () => {
    const { status, answer } = await register({ ...greedy, scope: 'admin' })
    expect(status).toBe(201)
    const token = String(answer.registration_access_token)
    const url = String(answer.registration_client_uri)
    const read = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    const id = String(answer.client_id)
    const seen = await notes.gateway.admin('GET', `/clients/${id}`)
    for (const shown of [answer, (await read.json()) as typeof answer, seen]) {
      for (const [member, value] of Object.entries(greedy)) {
        if (member === 'enabled' && shown === seen) continue
        expect(shown[member], member).not.toEqual(value)
      }
    }
    expect(seen).toMatchObject({ trusted: false, origin: 'dynamic' })
    expect(id).toMatch(/^client_[\w-]{22}$/)
    // The scope it wrote down is nothing it is granted.
    const { tokens } = await signIn({ ...notes, clientId: id }, { parameters: { scope: 'admin notes.read' } })
    expect(tokens.scope).toBe('notes.read')
  })

  test('nor, where it is to have a secret, one that it brings', async () => {
    for (const method of ['client_secret_basic', 'client_secret_post']) {
      const { answer } = await register({ ...greedy, token_endpoint_auth_method: method })
      expect(answer.client_secret).toMatch(/^cc_secret_[\w-]{43}$/)
      const { store } = notes.gateway.running().gateway
      const stored = await store.clients.find(String(answer.client_id), notes.clock.now())
      expect(stored?.secretHash).toBe(sha256(String(answer.client_secret)))
    }
  })

  test('its id is never a URL, a person or a caller of another kind', async () => {
    for (const wanted of ['https://evil.test/client.json', 'resource_x', 'sub_x', notes.clientId]) {
      const { answer } = await register({ client_id: wanted })
      expect(String(answer.client_id)).toMatch(/^client_[\w-]{22}$/)
      expect(answer.client_id).not.toBe(wanted)
    }
  })

  test('only the grants and answers of this gateway', async () => {
    const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
    const asked = ['authorization_code', 'client_credentials', 'password', 'implicit', exchange]
    const { answer } = await register({ grant_types: asked, response_types: ['code', 'token', 'id_token'] })
    expect(answer).toMatchObject({ grant_types: ['authorization_code'], response_types: ['code'] })
    const id = { client_id: String(answer.client_id) }
    for (const grant of asked.slice(1)) {
      const response = await postToken(notes, { grant_type: grant, ...id, username: 'x', password: 'x' })
      expect([400, 401], grant).toContain(response.status)
      expect(await response.json()).not.toHaveProperty('access_token')
    }
    for (const grant of asked.slice(1)) {
      await expectRefused({ grant_types: [grant] }, 'invalid_client_metadata')
    }
    for (const type of ['token', 'id_token', 'code token']) {
      await expectRefused({ response_types: [type] }, 'invalid_client_metadata')
    }
  })

  test('and nobody else is changed by names that mean something to JavaScript', async () => {
    const before = await notes.gateway.admin('GET', `/clients/${notes.clientId}`)
    const rest = JSON.stringify(minimal).slice(1, -1)
    for (const poison of [
      '"__proto__":{"trusted":true,"enabled":false}',
      '"constructor":{"prototype":{"trusted":true}}',
      '"jwks":{"keys":[],"__proto__":{"trusted":true}}',
      '"jwks":{"__proto__":{"keys":[{"kty":"EC"}]}}',
      '"contacts":[{"__proto__":{"trusted":true}}]',
      '"__proto__[trusted]":"1"',
    ]) {
      const { status, answer } = await send(`{${rest},${poison}}`)
      expect([201, 400], poison).toContain(status)
      expect(answer, poison).not.toHaveProperty('trusted')
    }
    expect(await notes.gateway.admin('GET', `/clients/${notes.clientId}`)).toEqual(before)
    for (const member of ['trusted', 'enabled', 'keys']) expect(member in {}, member).toBe(false)
  })

  test('its secret is shown once, and the database has a hash alone', async () => {
    const { answer } = await register({ token_endpoint_auth_method: 'client_secret_basic' })
    const stored = await notes.gateway
      .running()
      .gateway.store.clients.find(String(answer.client_id), notes.clock.now())
    const secrets = [String(answer.client_secret), String(answer.registration_access_token)]
    for (const secret of secrets) expect(JSON.stringify(stored)).not.toContain(secret)
    const seen = await notes.gateway.admin('GET', `/clients/${answer.client_id}`)
    for (const secret of secrets) expect(JSON.stringify(seen)).not.toContain(secret)
  })
})

test('addresses a client names are not visited, and no page shows anything from there', async () => {
  const clientId = await registerClient(notes.gateway, {
    client_uri: `${listenerUrl}/home`,
    logo_uri: `${listenerUrl}/logo.png`,
    policy_uri: `${listenerUrl}/policy`,
    tos_uri: `${listenerUrl}/tos`,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks_uri: `${listenerUrl}/jwks`,
  })
  const page = await newBrowser().get(authorizeUrl({ ...notes, clientId }, newPkce().challenge))
  expect(page.text).toContain('asks to use notes for you')
  expect(page.html).not.toMatch(/logo\.png|<img/)
  expect(page.html.match(/(?:src|href|action)="[^"]*/g)?.join()).not.toContain(listenerUrl)
  expect(hits).toBe(0)
})

test('a registration that was deleted takes its codes, tokens and sessions with it', async () => {
  const { answer } = await register({ grant_types: ['authorization_code', 'refresh_token'] })
  const client = { ...notes, clientId: String(answer.client_id) }
  const session = await signIn(client)
  const pending = await authorize(client)
  const response = await fetch(String(answer.registration_client_uri), {
    method: 'DELETE',
    headers: { authorization: `Bearer ${answer.registration_access_token}` },
  })
  expect(response.status).toBe(204)
  expect((await redeem(client, pending)).status).toBe(401)
  // Nor does another client get anything for the code it left behind.
  expect((await redeem(notes, pending)).status).toBe(400)
  expect(await introspect(notes, session.tokens.access_token)).toEqual({ active: false })
  expect((await retrieve(notes, session.tsid)).status).toBe(404)
})
