import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { assertionForm, newSigningParty, type SigningParty } from '../support/assertions.ts'
import { type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import { claimsOf, redirectUri, resourceUri, startWorld, type World } from '../support/world.ts'
import { ask, askForTokens, authorize, deadToken, hasNull } from './client.ts'
import { type PublishedClient, publishedClients } from './published-clients.ts'

let world: World
let host: DocumentHost
let signer: SigningParty

beforeAll(async () => {
  // Google has no limit of sign-ins an hour.
  world = await startWorld('google')
  host = await startDocumentHost()
  signer = await newSigningParty('RS256', world.clock.now, 'cimd-20260428030119')
  host.serve('/oauth/jwks.json', { body: JSON.stringify({ keys: [{ ...signer.jwk, use: 'sig' }] }) })
  const notes = {
    resource: resourceUri,
    name: 'Notes',
    scopes: { 'notes.read': 'Read your notes', 'notes.write': 'Change your notes' },
    default_scopes: ['notes.read'],
    providers: [{ provider: 'google', scopes: [world.upstream.scope] }],
    default: true,
  }
  await world.gateway.admin('PUT', '/resources/notes', notes)
  await world.gateway.admin('PUT', '/resources/root', {
    resource: 'https://root.test/',
    name: 'Root',
    scopes: { 'root.read': 'Read what is there' },
  })
})
afterAll(async () => {
  await world.stop()
  await host.stop()
})

let count = 0
/** The client's document at a host that this gateway can reach, everything else as it is. */
function publish({ document }: Pick<PublishedClient, 'document'>): string {
  // Documents fetched are counted by the minute.
  world.clock.advance(61)
  const { pathname, search } = new URL(document.client_id)
  const path = `/${++count}${pathname}${search}`
  const keys = 'jwks_uri' in document && { jwks_uri: `${host.origin}/oauth/jwks.json` }
  const body = JSON.stringify({ ...document, ...keys, client_id: host.origin + path })
  host.serve(path, { headers: { 'cache-control': 'public, max-age=300' }, body })
  return host.origin + path
}

/** A token request as this client makes it. */
async function tokens({ signs }: Pick<PublishedClient, 'signs'>, id: string, form: Record<string, string>) {
  const { gateway } = world
  const proof = signs && assertionForm(await signer.assert(id, `${gateway.issuer}/oauth/token`))
  return await askForTokens(gateway, { client_id: id }, { ...form, ...proof })
}

async function signIn(client: PublishedClient, id: string) {
  const { page, verifier, answer, url, browser } = await authorize(
    world.gateway,
    id,
    client.redirectUri,
    client.asks,
  )
  const proof = { grant_type: 'authorization_code', code: answer.get('code') ?? '', code_verifier: verifier }
  const first = await tokens(client, id, { ...proof, redirect_uri: client.redirectUri })
  expect(first, JSON.stringify(first.body)).toMatchObject({ status: 200 })
  const refresh = { grant_type: 'refresh_token', refresh_token: first.body.refresh_token ?? '' }
  return { page, url, answer, browser, proof, first: first.body, refresh }
}

describe.each(publishedClients)('$name', (client) => {
  const { asks, granted } = client

  test('is shown with its host, signs in, and refreshes with a scope and without', async () => {
    const id = publish(client)
    const { page, url, answer, first, refresh } = await signIn(client, id)
    expect(page.text).toContain(client.document.client_name)
    expect(page.text).toContain(`Published by ${new URL(host.origin).host}`)
    expect(page.text).toContain(new URL(client.redirectUri).host)
    expect(url.split('?')[0]).toBe(client.redirectUri)
    expect(Object.fromEntries(answer)).toEqual({
      code: expect.any(String),
      state: asks.state ?? 'state-of-the-client',
      iss: world.gateway.issuer,
    })
    expect(first).toMatchObject({ scope: granted, token_type: 'Bearer' })
    expect(claimsOf(first.access_token ?? '')).toMatchObject({ aud: resourceUri, client_id: id })

    const [narrow = ''] = granted.split(' ')
    const second = await tokens(client, id, { ...refresh, scope: narrow, resource: resourceUri })
    expect(second).toMatchObject({ status: 200, body: { scope: narrow } })
    const next = { ...refresh, refresh_token: second.body.refresh_token ?? '' }
    const third = await tokens(client, id, next)
    expect(third).toMatchObject({ status: 200, body: { scope: granted } })
    expect(claimsOf(third.body.access_token ?? '').aud).toBe(resourceUri)
    expect([first, second.body, third.body].filter(hasNull)).toEqual([])
  })

  test('keeps what it has when it asks for the rest alone', async () => {
    const id = publish(client)
    const { browser } = await signIn({ ...client, asks: { ...asks, scope: 'notes.read offline_access' } }, id)
    const more = { ...asks, scope: 'notes.write' }
    const { page, answer, verifier } = await authorize(world.gateway, id, client.redirectUri, more, browser)
    expect(page.text).toContain('Read your notes')
    expect(page.text).toContain('Change your notes')
    const form = { grant_type: 'authorization_code', code: answer.get('code') ?? '', code_verifier: verifier }
    expect(await tokens(client, id, form)).toMatchObject({
      status: 200,
      body: { scope: 'notes.read notes.write offline_access' },
    })
  })

  test('is answered nowhere but where its document says', async () => {
    const id = publish(client)
    for (const uri of client.refused) {
      const { page } = await ask(world.gateway, id, { ...asks, redirect_uri: uri })
      expect([uri, page.status, page.left]).toEqual([uri, 400, false])
      expect(page.text).toContain('We will not send you there')
    }
  })

  test('is told by the code of an error what it can do about it', async () => {
    const id = publish(client)
    const { proof, refresh } = await signIn(client, id)
    const fails = async (form: Record<string, string>) => {
      const { status, body } = await tokens(client, id, form)
      expect(hasNull(body)).toBe(false)
      return [status, body.error]
    }
    expect(await fails({ ...refresh, refresh_token: deadToken })).toEqual([400, 'invalid_grant'])
    expect(await fails({ ...refresh, resource: 'https://root.test' })).toEqual([400, 'invalid_target'])
    expect(await fails({ ...refresh, scope: `${granted} notes.admin` })).toEqual([400, 'invalid_scope'])
    expect(await fails({ ...proof, code_verifier: 'x'.repeat(43) })).toEqual([400, 'invalid_grant'])
    await world.gateway.admin('DELETE', `/clients/${encodeURIComponent(id)}`)
    expect(await fails(refresh)).toEqual([401, 'invalid_client'])
    // It has nothing to register anew: its document is read again, and the person signs in again.
    await signIn(client, id)
  })
})

/** A client like many: public, and answered on this computer. */
const plain = {
  document: {
    client_id: 'https://client.test/plain.json',
    client_name: 'Plain',
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
  },
}

describe('at an MCP server whose address has no path', () => {
  const forms = ['https://root.test', 'https://root.test/', 'HTTPS://Root.test:443/']

  test.each(forms)('%s names it, and its tokens are for the one form without a slash', async (resource) => {
    const id = publish(plain)
    const { answer, verifier } = await authorize(world.gateway, id, redirectUri, { resource })
    const proof = {
      grant_type: 'authorization_code',
      code: answer.get('code') ?? '',
      code_verifier: verifier,
    }
    const other = forms.find((each) => each !== resource) ?? ''
    const first = await tokens({}, id, { ...proof, resource: other })
    const refresh = { grant_type: 'refresh_token', refresh_token: first.body.refresh_token ?? '' }
    const second = await tokens({}, id, { ...refresh, resource })
    for (const { body } of [first, second]) {
      expect(claimsOf(body.access_token ?? '').aud).toBe('https://root.test')
    }
  })

  test('all of them at once are one, and with another it is none', async () => {
    const id = publish(plain)
    const one = await ask(world.gateway, id, { redirect_uri: redirectUri, resource: forms })
    expect(one.page.text).toContain('Root')
    const two = await ask(world.gateway, id, { redirect_uri: redirectUri, resource: [...forms, resourceUri] })
    expect(new URL(two.page.url).searchParams.get('error')).toBe('invalid_target')
  })

  test('a slash after a path is another address', async () => {
    const id = publish(plain)
    const { page } = await ask(world.gateway, id, { redirect_uri: redirectUri, resource: `${resourceUri}/` })
    expect(new URL(page.url).searchParams.get('error')).toBe('invalid_target')
  })
})

test('a scope that nobody knows is an error only where there is no other to give', async () => {
  const id = publish(plain)
  const asks = { redirect_uri: redirectUri, resource: 'https://root.test', scope: 'root.admin' }
  const { page } = await ask(world.gateway, id, asks)
  expect(Object.fromEntries(new URL(page.url).searchParams)).toMatchObject({
    error: 'invalid_scope',
    state: 'state-of-the-client',
    iss: world.gateway.issuer,
  })
})

test('a document that lists shared secrets alone is not used', async () => {
  const id = publish({
    document: {
      ...plain.document,
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    },
  })
  const { page } = await ask(world.gateway, id, { redirect_uri: redirectUri })
  expect(page.text).toContain('We could not check this client')
})

test('a client that signs is not served without its signature, whatever else it can', async () => {
  const signing = publishedClients.filter(({ signs }) => signs !== undefined)
  expect(signing).not.toEqual([])
  for (const client of signing) {
    const id = publish(client)
    const { refresh } = await signIn(client, id)
    expect(await tokens({}, id, refresh)).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  }
})

test('a refresh token is given for the grant type or for offline_access', async () => {
  const document = { ...plain.document, grant_types: ['authorization_code'] }
  const gets = async (scope: string) => {
    const id = publish({ document })
    const { answer, verifier } = await authorize(world.gateway, id, redirectUri, { scope })
    const proof = {
      grant_type: 'authorization_code',
      code: answer.get('code') ?? '',
      code_verifier: verifier,
    }
    return (await tokens({}, id, proof)).body.refresh_token !== undefined
  }
  expect([await gets('notes.read'), await gets('notes.read offline_access')]).toEqual([false, true])
})
