import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientDocument, type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import {
  authorizeUrl,
  newBrowser,
  newPkce,
  redirectUri,
  refresh,
  signIn,
  startWorld,
  type World,
} from '../support/world.ts'

let world: World
let host: DocumentHost
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

beforeAll(async () => {
  host = await startDocumentHost()
})
afterAll(() => host.stop())

let count = 0
/** Each test's documents have a minute and a path of their own: fetches are counted by the minute. */
function publish(more: Record<string, unknown> = {}, headers: Record<string, string> = {}) {
  world.clock.advance(61)
  const path = `/client-${++count}.json`
  const id = `${host.origin}${path}`
  host.serve(path, { headers, body: clientDocument(id, more) })
  return { path, id }
}

/** How an authorization request of this client is answered, without following. */
async function ask(clientId: string, parameters: Record<string, string> = {}): Promise<Response> {
  const { challenge } = newPkce()
  const url = authorizeUrl({ ...world, clientId }, challenge, parameters)
  return await fetch(url, { redirect: 'manual' })
}

async function expectTaken(clientId: string, parameters: Record<string, string> = {}): Promise<void> {
  const response = await ask(clientId, parameters)
  expect([response.status, response.headers.get('location')]).toEqual([
    303,
    expect.stringContaining('/oauth/interactions/'),
  ])
}

async function expectPage(response: Response, words: string): Promise<void> {
  expect(response.status).toBe(400)
  expect(response.headers.get('location')).toBeNull()
  expect(await response.text()).toContain(words)
}

const unchecked = 'We could not check this client'
const unknown = 'We do not know this client'

describe('a client whose id is the URL of its metadata document', () => {
  test('signs a person in, refreshes, and is listed for administrators', async () => {
    const { id, path } = publish()
    const { tokens } = await signIn({ ...world, clientId: id })
    const refreshed = await refresh({ ...world, clientId: id }, tokens.refresh_token)
    expect(refreshed.status).toBe(200)
    expect(host.calls(path)).toBe(1)
    const { items } = await world.gateway.admin<{ items: { client_id: string }[] }>(
      'GET',
      '/clients?origin=document',
    )
    expect(items).toContainEqual(
      expect.objectContaining({ client_id: id, client_name: 'Published client', trusted: false }),
    )
  })

  test('is shown as published by its host, with where the answer goes and a warning', async () => {
    const { id } = publish({ client_uri: 'https://somebody-else.test/' })
    const stop = await newBrowser().walk(authorizeUrl({ ...world, clientId: id }, newPkce().challenge), [])
    expect(stop.text).toContain(`Published by ${new URL(id).host}`)
    expect(stop.text).toContain('127.0.0.1:7777')
    expect(stop.text).toContain('Did you start this yourself')
    expect(stop.text).not.toContain('somebody-else.test')
  })

  test('is announced in the metadata', async () => {
    const response = await fetch(`${world.gateway.url}/.well-known/oauth-authorization-server`)
    expect(await response.json()).toMatchObject({ client_id_metadata_document_supported: true })
  })

  test('never has its consent page skipped', async () => {
    const { id } = publish({ redirect_uris: ['https://editor.test/callback'] })
    const browser = newBrowser()
    const parameters = { redirect_uri: 'https://editor.test/callback' }
    const url = () => authorizeUrl({ ...world, clientId: id }, newPkce().challenge, parameters)
    const first = await browser.walk(url(), ['allow'])
    expect(first.url).toContain('https://editor.test/callback?code=')
    const second = await browser.walk(url(), [])
    expect(second.left).toBe(false)
    expect(second.text).toContain('Published client')
  })

  test('stays disabled by an administrator, whatever its document says later', async () => {
    const { id, path } = publish({}, { 'cache-control': 'max-age=60' })
    await expectTaken(id)
    await world.gateway.admin('PATCH', `/clients/${encodeURIComponent(id)}`, { enabled: false })
    world.clock.advance(3_600)
    await expectPage(await ask(id), unknown)
    expect(host.calls(path)).toBe(1)
  })

  test('may use redirect URIs of its document alone, and any port of this computer', async () => {
    const { id } = publish()
    await expectTaken(id, { redirect_uri: 'http://127.0.0.1:49152/callback' })
    await expectPage(await ask(id, { redirect_uri: 'http://127.0.0.1:49152/other' }), 'We will not send you')
    await expectPage(await ask(id, { redirect_uri: 'https://evil.test/callback' }), 'We will not send you')
  })

  test('has errors sent to this computer at once, and by the person’s click to a host that is not its own', async () => {
    const { id } = publish({ redirect_uris: ['http://127.0.0.1/callback', 'https://evil.test/callback'] })
    const wrong = { response_type: 'token' }
    const local = await ask(id, wrong)
    expect(local.headers.get('location')).toContain(`${redirectUri}?error=unsupported_response_type`)
    const remote = await ask(id, { ...wrong, redirect_uri: 'https://evil.test/callback' })
    expect(remote.headers.get('location')).toBeNull()
    expect(await remote.text()).toContain('evil.test')
  })
})

describe('an id that must not be fetched is unknown, and nothing is asked', () => {
  test.each([
    ['without a path', (origin: string) => `${origin}/`],
    ['without even a slash', (origin: string) => origin],
    ['with a dot segment', (origin: string) => `${origin}/a/../client.json`],
    ['with an encoded dot segment', (origin: string) => `${origin}/a/%2e%2e/client.json`],
    ['with a fragment', (origin: string) => `${origin}/client.json#x`],
    ['with an empty fragment', (origin: string) => `${origin}/client.json#`],
    ['with a user name', (origin: string) => `${origin.replace('//', '//ada@')}/client.json`],
    [
      'with another spelling of its scheme',
      (origin: string) => `${origin.replace('http', 'HTTP')}/client.json`,
    ],
    ['over http to another machine', () => 'http://client.test/client.json'],
    ['longer than anybody needs', (origin: string) => `${origin}/${'a'.repeat(2_048)}`],
  ])('%s', async (_how, idAt) => {
    const before = host.calls()
    await expectPage(await ask(idAt(host.origin)), unknown)
    expect(host.calls()).toBe(before)
  })

  test.each([
    'https://10.0.0.1/client.json',
    'https://169.254.169.254/latest',
    'https://[fd00::1]/client.json',
  ])('nor one of a private network: %s', async (id) => await expectPage(await ask(id), unchecked))
})

describe('a document that must not be used is not, and is asked for again', () => {
  const large = { policy_uri: `https://client.test/${'p'.repeat(1_000)}`, pad: 'x'.repeat(5_000) }
  test.each<[string, Record<string, unknown>]>([
    ['of another client', { client_id: 'https://client.test/other.json' }],
    ['of nobody', { client_id: undefined }],
    ['without a name', { client_name: undefined }],
    ['without redirect URIs', { redirect_uris: undefined }],
    ['with no redirect URI', { redirect_uris: [] }],
    ['with a secret', { client_secret: 'x' }],
    ['with the end of a secret', { client_secret_expires_at: 0 }],
    ['that wants a secret by Basic', { token_endpoint_auth_method: 'client_secret_basic' }],
    ['that wants a secret by post', { token_endpoint_auth_method: 'client_secret_post' }],
    ['that wants a JWT made with a secret', { token_endpoint_auth_method: 'client_secret_jwt' }],
    ['with a redirect URI that is script', { redirect_uris: ['javascript:alert(1)'] }],
    ['with a redirect URI that is not https', { redirect_uris: ['http://evil.test/callback'] }],
    ['of more than 5 KB', large],
  ])('%s', async (_what, members) => {
    const { id, path } = publish(members)
    await expectPage(await ask(id), unchecked)
    await expectPage(await ask(id), unchecked)
    expect(host.calls(path)).toBe(2)
  })

  test.each<[string, Parameters<DocumentHost['serve']>[1]]>([
    ['an error', { status: 500, body: '{}' }],
    ['another success', { status: 203, body: '{}' }],
    ['a page', { headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['no JSON', { body: '{' }],
    ['a list', { body: '[]' }],
    ['null', { body: 'null' }],
  ])('%s', async (_what, answer) => {
    const { id, path } = publish()
    host.serve(path, answer)
    await expectPage(await ask(id), unchecked)
  })

  test.each([
    ['a page', { headers: { 'content-type': 'text/html' } }],
    ['not found', { status: 404 }],
  ])('the right document as %s', async (_as, answer) => {
    const { id, path } = publish()
    host.serve(path, { ...answer, body: clientDocument(id) })
    await expectPage(await ask(id), unchecked)
  })

  test('a redirect to the right document', async () => {
    const { id, path } = publish()
    host.serve('/moved.json', { body: clientDocument(id) })
    host.serve(path, { status: 302, headers: { location: `${host.origin}/moved.json` }, body: '' })
    await expectPage(await ask(id), unchecked)
    expect(host.calls('/moved.json')).toBe(0)
  })
})

describe('a document is kept', () => {
  test.each([
    ['for as long as it says', { 'cache-control': 'public, max-age=600' }, 600],
    ['for what is left of it', { 'cache-control': 'max-age=600', age: '400' }, 200],
    ['for a minute at least', { 'cache-control': 'no-store' }, 60],
    ['for a day at most', { 'cache-control': 'max-age=31536000' }, 86_400],
    ['for an hour where nothing is said', {}, 3_600],
  ])('%s', async (_how, headers, lifetime) => {
    const { id, path } = publish({}, headers as Record<string, string>)
    await expectTaken(id)
    // The client is used, so that it is not forgotten within the day.
    await signIn({ ...world, clientId: id })
    world.clock.advance(lifetime - 5)
    await expectTaken(id)
    expect(host.calls(path)).toBe(1)
    world.clock.advance(10)
    await expectTaken(id)
    expect(host.calls(path)).toBe(2)
  })

  test('until its host works again, for days, and is not asked for more than once a minute', async () => {
    const { id, path } = publish({}, { 'cache-control': 'max-age=60' })
    const { tokens } = await signIn({ ...world, clientId: id })
    host.fail('fails')
    world.clock.advance(3_600)
    await expectTaken(id)
    await expectTaken(id)
    expect(host.calls(path)).toBe(2)
    world.clock.advance(6 * 86_400)
    await expectTaken(id)
    world.clock.advance(2 * 86_400)
    await expectPage(await ask(id), unchecked)
    expect((await refresh({ ...world, clientId: id }, tokens.refresh_token)).status).toBe(200)
    host.fail('works')
    world.clock.advance(61)
    await expectTaken(id)
  })

  test('and over a restart', async () => {
    const { id, path } = publish()
    await expectTaken(id)
    await world.gateway.restart()
    await expectTaken(id)
    expect(host.calls(path)).toBe(1)
  })
})

test.each<[string, Record<string, unknown>, string]>([
  ['another name', { client_name: 'Published anew' }, 'Published anew'],
  [
    'other redirect URIs',
    { redirect_uris: ['http://127.0.0.1/callback', 'https://new.test/callback'] },
    'Published client',
  ],
])('%s voids the yes that a person is about to give', async (_what, change, name) => {
  const { id, path } = publish({}, { 'cache-control': 'max-age=60' })
  const browser = newBrowser()
  const url = authorizeUrl({ ...world, clientId: id }, newPkce().challenge)
  const page = await browser.walk(url, [])
  host.serve(path, { body: clientDocument(id, change) })
  world.clock.advance(61)
  await expectTaken(id)
  const after = await browser.submit(page, { button: 'Allow' })
  expect(after.left).toBe(false)
  expect(after.text).toContain(name)
})

describe('nobody can make this gateway ask and ask', () => {
  test('a hundred at once for one client are one fetch', async () => {
    const { id, path } = publish()
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(id)))
    expect(answers.every(({ status }) => status === 303)).toBe(true)
    expect(host.calls(path)).toBe(1)
  })

  test('a hundred clients of one host are ten fetches a minute, and a client that is known goes on', async () => {
    const { id, path } = publish({}, { 'cache-control': 'max-age=60' })
    await expectTaken(id)
    world.clock.advance(120)
    const before = host.calls()
    const ids = Array.from({ length: 100 }, (_, index) => `${host.origin}/none.json?i=${index}`)
    const answers = await Promise.all(ids.map((each) => ask(each)))
    expect(answers.every(({ status }) => status === 400)).toBe(true)
    expect(host.calls() - before).toBe(10)
    await expectTaken(id)
    expect(host.calls(path)).toBe(1)
  })

  test('the token endpoint asks for nothing', async () => {
    const { id, path } = publish()
    expect((await refresh({ ...world, clientId: id }, 'cc_rt_x')).status).toBe(401)
    expect(host.calls(path)).toBe(0)
  })
})
