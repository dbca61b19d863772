import { afterEach, describe, expect, test } from 'vitest'
import { clientDocument, startDocumentHost } from '../support/document-host.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { newPkce } from '../support/world.ts'

let gateway: TestGateway | undefined
afterEach(async () => {
  await gateway?.stop()
  gateway = undefined
})

async function start(registration: unknown): Promise<TestGateway> {
  gateway = await startTestGateway({ file: { registration } })
  return gateway
}

async function register({ url }: TestGateway, redirectUri: string, token?: string) {
  const response = await fetch(`${url}/oauth/register`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
  })
  const answer = (await response.json()) as Record<string, string>
  return { status: response.status, answer, challenge: response.headers.get('www-authenticate') }
}

async function metadataOf({ url }: TestGateway): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/.well-known/oauth-authorization-server`)
  return (await response.json()) as Record<string, unknown>
}

const ask = async ({ url }: TestGateway, clientId: string, redirectUri: string) => {
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    code_challenge: newPkce().challenge,
    code_challenge_method: 'S256',
  })
  const response = await fetch(`${url}/oauth/authorize?${query}`, { redirect: 'manual' })
  return response.status
}

const local = 'http://127.0.0.1/callback'

test('without a policy everybody registers', async () => {
  const open = await start({})
  expect((await register(open, 'https://anybody.test/callback')).status).toBe(201)
  expect(await metadataOf(open)).toMatchObject({
    registration_endpoint: `${open.issuer}/oauth/register`,
    client_id_metadata_document_supported: true,
  })
})

test('closed, nobody registers, and no endpoint is named for it', async () => {
  const closed = await start({ policy: 'closed' })
  const { status, answer } = await register(closed, local)
  expect([status, answer.error]).toEqual([403, 'access_denied'])
  expect(await metadataOf(closed)).not.toHaveProperty('registration_endpoint')
  // Nor is anybody sent to register anew.
  const page = await followed(closed, `client_${'A'.repeat(22)}`, local)
  expect(page).toContain('Ask the administrator to add your MCP client')
})

test('who registered before it was closed still manages what is there', async () => {
  const gateway = await start({})
  const { answer } = await register(gateway, local)
  await gateway.restart({ registration: { policy: 'closed' } })
  const headers = { authorization: `Bearer ${answer.registration_access_token}` }
  expect((await fetch(answer.registration_client_uri ?? '', { headers })).status).toBe(200)
  expect(await ask(gateway, answer.client_id ?? '', local)).toBe(303)
})

test('by a list, only clients that are answered at its hosts, on this computer or in an app register', async () => {
  const listed = await start({ policy: 'allow_list', redirect_hosts: ['good.test', 'good.test:8443'] })
  for (const uri of [
    'https://good.test/callback',
    'https://good.test:8443/callback',
    'http://localhost:7777/callback',
    'cursor://anysphere.cursor-mcp/oauth/callback',
  ]) {
    expect((await register(listed, uri)).status).toBe(201)
  }
  for (const uri of [
    'https://evil.test/callback',
    'https://sub.good.test/callback',
    'https://good.test.evil.test/callback',
    'https://good.test:9443/callback',
    'https://good.test@evil.test/callback',
  ]) {
    const { status, answer } = await register(listed, uri)
    expect([status, answer.error]).toEqual([400, 'invalid_redirect_uri'])
  }
  const several = { redirect_uris: ['https://evil.test/callback', 'https://good.test/callback', local] }
  const mixed = await fetch(`${listed.url}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(several),
  })
  expect(await mixed.json()).toMatchObject({ redirect_uris: ['https://good.test/callback', local] })
  const { answer } = await register(listed, 'https://good.test/callback')
  const moved = await fetch(answer.registration_client_uri ?? '', {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${answer.registration_access_token}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ client_id: answer.client_id, redirect_uris: ['https://evil.test/callback'] }),
  })
  expect(moved.status).toBe(400)
})

describe('schemes of apps', () => {
  test('are those of the list, also for what was registered before', async () => {
    const gateway = await start({})
    const cursor = 'cursor://anysphere.cursor-mcp/oauth/callback'
    const own = 'ourapp://callback'
    expect((await register(gateway, own)).status).toBe(400)
    const { answer } = await register(gateway, cursor)
    await gateway.restart({ registration: { app_schemes: ['ourapp'] } })
    expect((await register(gateway, cursor)).status).toBe(400)
    const registered = await register(gateway, own)
    expect(registered.status).toBe(201)
    expect((await register(gateway, 'com.example.app:/callback')).status).toBe(201)
    const stepOf = async (clientId = '', uri = '') => await followed(gateway, clientId, uri)
    expect(await stepOf(registered.answer.client_id, own)).not.toContain('We will not send you there')
    expect(await stepOf(answer.client_id, cursor)).toContain('We will not send you there')
  })

  test('are the same for clients of an administrator', async () => {
    const gateway = await start({})
    const make = async (uri: string, expect: number) =>
      await gateway.admin<{ client_id: string }>(
        'POST',
        '/clients',
        { ...secretless, redirect_uris: [uri] },
        expect,
      )
    const before = await make('cursor://editor/callback', 201)
    await make('ourapp://callback', 400)
    await gateway.restart({ registration: { app_schemes: ['ourapp'] } })
    const after = await make('ourapp://callback', 201)
    // A typing error is one: nothing that an administrator wrote is left out.
    await make('cursor://editor/callback', 400)
    const uris = ['ourapp://callback', 'cursor://editor/callback']
    await gateway.admin('POST', '/clients', { ...secretless, redirect_uris: uris }, 400)
    const refusal = 'We will not send you there'
    expect(await followed(gateway, after.client_id, 'ourapp://callback')).not.toContain(refusal)
    expect(await followed(gateway, before.client_id, 'cursor://editor/callback')).toContain(refusal)
  })

  test('are the same for clients of the configuration file', async () => {
    const declaring = (uri: string, registration?: unknown) => ({
      clients: [{ ...secretless, client_id: 'editor', redirect_uris: [uri] }],
      ...(registration !== undefined && { registration }),
    })
    const own = { app_schemes: ['ourapp'] }
    for (const file of [declaring('ourapp://callback'), declaring('cursor://editor/callback', own)]) {
      await expect(startTestGateway({ file })).rejects.toThrow('the configuration has an error')
    }
    gateway = await startTestGateway({ file: declaring('cursor://editor/callback') })
    await gateway.restart(declaring('ourapp://callback', own))
    const refusal = 'We will not send you there'
    expect(await followed(gateway, 'editor', 'ourapp://callback')).not.toContain(refusal)
    expect(await followed(gateway, 'editor', 'cursor://editor/callback')).toContain(refusal)
  })
})

const secretless = { client_name: 'Editor', token_endpoint_auth_method: 'none' }

/** What the browser shows in the end. */
async function followed({ url }: TestGateway, clientId: string, redirectUri: string): Promise<string> {
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    code_challenge: newPkce().challenge,
    code_challenge_method: 'S256',
  })
  const first = await fetch(`${url}/oauth/authorize?${query}`, { redirect: 'manual' })
  if (first.status !== 303) return await first.text()
  const cookie = (first.headers.getSetCookie()[0] ?? '').split(';')[0] ?? ''
  const next = await fetch(first.headers.get('location') ?? '', { headers: { cookie }, redirect: 'manual' })
  return await next.text()
}

describe('by initial access tokens', () => {
  const make = async (gateway: TestGateway, body: unknown = {}) =>
    await gateway.admin<{ id: string; initial_access_token: string }>('POST', '/registration-tokens', body)

  test('who has none, a wrong one or another kind of token does not register', async () => {
    const gateway = await start({ policy: 'initial_access_token' })
    expect(await register(gateway, local)).toMatchObject({
      status: 401,
      answer: { error: 'invalid_token' },
      challenge: 'Bearer',
    })
    for (const token of ['cc_iat_wrong', gateway.adminToken]) {
      expect(await register(gateway, local, token)).toMatchObject({
        status: 401,
        challenge: 'Bearer error="invalid_token"',
      })
    }
    expect(await metadataOf(gateway)).toHaveProperty('registration_endpoint')
  })

  test('one is good for so many clients, however many come at once, and a refusal spends nothing', async () => {
    const gateway = await start({ policy: 'initial_access_token' })
    const { initial_access_token: token } = await make(gateway, { uses: 2 })
    expect((await register(gateway, 'javascript:alert(1)', token)).status).toBe(400)
    const answers = await Promise.all(Array.from({ length: 5 }, () => register(gateway, local, token)))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 201, 401, 401, 401])
    const { items } = await gateway.admin<{ items: unknown[] }>('GET', '/clients?origin=dynamic')
    expect(items).toHaveLength(2)
  })

  test('one ends, and one can be taken back', async () => {
    const gateway = await start({ policy: 'initial_access_token' })
    const short = await make(gateway, { expires_in: 60, uses: 10 })
    const deleted = await make(gateway, { uses: 10 })
    expect((await register(gateway, local, short.initial_access_token)).status).toBe(201)
    gateway.clock.advance(61)
    expect((await register(gateway, local, short.initial_access_token)).status).toBe(401)
    expect((await register(gateway, local, deleted.initial_access_token)).status).toBe(201)
    await gateway.admin('DELETE', `/registration-tokens/${deleted.id}`)
    expect((await register(gateway, local, deleted.initial_access_token)).status).toBe(401)
    await gateway.admin('DELETE', `/registration-tokens/${deleted.id}`, undefined, 404)
  })

  test('one is shown once, and listed without itself', async () => {
    const gateway = await start({ policy: 'initial_access_token' })
    const made = await make(gateway, { uses: 3 })
    expect(made.initial_access_token).toMatch(/^cc_iat_/)
    const list = await gateway.admin<{ items: Record<string, unknown>[] }>('GET', '/registration-tokens')
    expect(list.items).toMatchObject([{ id: made.id, uses_left: 3 }])
    expect(JSON.stringify(list)).not.toContain('cc_iat_')
    const events = await gateway.admin('GET', '/audit-events?event=registration_token.created')
    expect(JSON.stringify(events)).toContain(made.id)
    expect(JSON.stringify(events)).not.toContain('cc_iat_')
  })

  test.each([{ uses: 0 }, { uses: 1.5 }, { expires_in: 1 }, { expires_in: 1e9 }, { token: 'mine' }])(
    'none is made of %j',
    async (body) => {
      const gateway = await start({ policy: 'initial_access_token' })
      await gateway.admin('POST', '/registration-tokens', body, 400)
    },
  )
})

test('metadata documents are taken from the hosts of the list, or from none', async () => {
  const host = await startDocumentHost()
  const id = `${host.origin}/client.json`
  host.serve('/client.json', { body: clientDocument(id) })
  const gateway = await start({ metadata_document_hosts: ['good.test'] })
  expect(await ask(gateway, id, local)).toBe(400)
  expect(host.calls()).toBe(0)
  await gateway.restart({ registration: { metadata_document_hosts: [new URL(id).host] } })
  expect(await ask(gateway, id, local)).toBe(303)
  await gateway.restart({ registration: { metadata_document_hosts: [] } })
  expect(await ask(gateway, id, local)).toBe(400)
  expect(await metadataOf(gateway)).toMatchObject({ client_id_metadata_document_supported: false })
  await host.stop()
})

test.each([
  [{ policy: 'sometimes' }],
  [{ policy: 'allow_list' }],
  [{ redirect_hosts: ['good.test'] }],
  [{ policy: 'allow_list', redirect_hosts: ['https://good.test'] }],
  [{ policy: 'allow_list', redirect_hosts: ['Good.test'] }],
  [{ app_schemes: ['cursor:'] }],
  [{ metadata_document_hosts: ['good.test/path'] }],
  [{ polcy: 'closed' }],
])('a gateway does not start with %j', async (registration) => {
  await expect(start(registration)).rejects.toThrow('the configuration has')
})
