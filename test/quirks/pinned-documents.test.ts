import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { assertionForm, newSigningParty, type SigningParty } from '../support/assertions.ts'
import { startTestGateway } from '../support/gateway.ts'
import { claimsOf, startWorld, type World } from '../support/world.ts'
import { ask, askForTokens, authorize } from './client.ts'
import { type PublishedClient, publishedClients } from './published-clients.ts'

// Some hosts answer this computer's network with an error or a page. An administrator then keeps a copy of the document.

let world: World
let signer: SigningParty

/** As an administrator has them: word for word, but for keys that cannot be fetched either. */
const copies = () =>
  [...new Map(publishedClients.map(({ document }) => [document.client_id, document])).values()].map(
    ({ jwks_uri: uri, ...document }) => ({
      ...document,
      ...(uri !== undefined && { jwks: { keys: [signer.jwk] } }),
    }),
  )

const file = (documents: unknown[]) => ({
  registration: { metadata_document_hosts: [], metadata_documents: documents },
})

beforeAll(async () => {
  signer = await newSigningParty('RS256', () => world.clock.now())
  world = await startWorld('google', { file: file(copies()) })
})
afterAll(() => world.stop())

async function signIn({ document, redirectUri, asks, signs }: PublishedClient) {
  const { client_id: id } = document
  const { page, answer, verifier } = await authorize(world.gateway, id, redirectUri, asks)
  const proof = signs && assertionForm(await signer.assert(id, world.gateway.issuer))
  const code = { grant_type: 'authorization_code', code: answer.get('code') ?? '', code_verifier: verifier }
  const { body } = await askForTokens(world.gateway, { client_id: id }, { ...code, ...proof })
  return { page, body }
}

const pageOf = async (id: string, redirectUri = 'http://127.0.0.1:7777/callback') =>
  (await ask(world.gateway, id, { redirect_uri: redirectUri })).page

test.each(publishedClients)('$name: its copy serves it by its real id', async (client) => {
  const { page, body } = await signIn(client)
  const { client_id: id, client_name: name } = client.document
  expect(page.text).toContain(name)
  expect(page.text).toContain(`Published by ${new URL(id).host}`)
  expect(body).toMatchObject({ scope: client.granted })
  expect(claimsOf(body.access_token ?? '').client_id).toBe(id)
})

describe('with copies alone', () => {
  test('clients still find that documents are served, and any other is one for the administrator', async () => {
    const response = await fetch(`${world.gateway.url}/.well-known/oauth-authorization-server`)
    expect(await response.json()).toMatchObject({ client_id_metadata_document_supported: true })
    for (const id of [
      'https://claude.ai/oauth/other',
      'https://claude.ai/oauth/mcp-oauth-client-metadata?x',
      'https://evil.test/client.json',
    ]) {
      expect((await pageOf(id)).text).toContain('Ask the administrator to add your MCP client')
    }
  })

  test('an administrator may disable one, and the copy does not bring it back', async () => {
    const id = 'https://zed.dev/oauth/client-metadata.json'
    const change = async (enabled: boolean) =>
      await world.gateway.admin('PATCH', `/clients/${encodeURIComponent(id)}`, { enabled })
    await change(false)
    expect((await pageOf(id)).status).toBe(400)
    await world.gateway.restart()
    expect((await pageOf(id)).status).toBe(400)
    await change(true)
    expect((await pageOf(id)).status).toBe(200)
  })

  test('what the file says after a restart counts at once, and a copy that is gone serves nobody', async () => {
    const [first, ...rest] = copies()
    const id = first?.client_id ?? ''
    const moved = { ...first, redirect_uris: ['http://127.0.0.1/moved'] }
    await world.gateway.restart(file([moved, ...rest]))
    expect((await pageOf(id)).text).toContain('We will not send you there')
    expect((await pageOf(id, 'http://127.0.0.1:7777/moved')).status).toBe(200)
    await world.gateway.restart(file(rest))
    expect((await pageOf(id, 'http://127.0.0.1:7777/moved')).text).toContain('Ask the administrator')
  })
})

const sound = {
  client_id: 'https://client.test/client.json',
  client_name: 'Client',
  redirect_uris: ['http://127.0.0.1/callback'],
}
test.each<[string, unknown[]]>([
  ['no list of objects', ['https://client.test/client.json']],
  ['a document without an id', [{ ...sound, client_id: undefined }]],
  ['one over http', [{ ...sound, client_id: 'http://127.0.0.1/client.json' }]],
  ['one that is a host', [{ ...sound, client_id: 'https://client.test/' }]],
  ['one twice', [sound, sound]],
  ['one without a name', [{ ...sound, client_name: undefined }]],
  ['one with a secret', [{ ...sound, client_secret: 'x' }]],
  ['one with a redirect URI that is script', [{ ...sound, redirect_uris: ['javascript:alert(1)'] }]],
  ['one that wants a secret', [{ ...sound, token_endpoint_auth_method: 'client_secret_basic' }]],
])('a gateway does not start with %s', async (_what, documents) => {
  await expect(startTestGateway({ file: file(documents) })).rejects.toThrow('the configuration has')
})
