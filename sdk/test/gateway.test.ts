import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createMcpClient } from '../../examples/demo/mcp-client.ts'
import { createClientV2 } from '../../test/real-clients/client-v2.ts'
import { createBrowser } from '../../test/support/browser.ts'
import { freePort } from '../../test/support/gateway.ts'
import { createCredential, signIn, startWorld, type World } from '../../test/support/world.ts'
import { type Credential, type Guard, protect } from '../src/index.ts'
import { startServer } from './support/servers.ts'

const redirectUrl = 'http://127.0.0.1:9/callback'
const generations = [
  ['1.x', createMcpClient],
  ['2.x', createClientV2],
] as const

let world: World
let guard: Guard
let mcpUrl: string
let server: Awaited<ReturnType<typeof startServer>>

/** Without a memory of introspections, so that no test waits. */
const guardWith = (credential: Credential, resource = mcpUrl) =>
  protect({
    resource,
    issuer: world.gateway.issuer,
    credential,
    scopes: ['notes.read', 'notes.write'],
    requiredScopes: ['notes.read'],
    introspectionLifetime: 0,
    clock: world.clock.now,
  })

beforeAll(async () => {
  world = await startWorld()
  const port = await freePort()
  mcpUrl = `http://localhost:${port}/mcp`
  await world.gateway.admin('PUT', '/resources/protected', {
    resource: mcpUrl,
    name: 'Protected',
    scopes: { 'notes.read': 'Read your notes', 'notes.write': 'Change your notes' },
    default_scopes: ['notes.read'],
    providers: [{ provider: world.provider, scopes: [world.upstream.scope] }],
  })
  guard = guardWith(await createCredential(world.gateway, 'protected'))
  server = await startServer('Express, SDK 1.x, stateless', guard, port)
})
afterAll(async () => {
  await server.stop()
  await world.stop()
})

/** Signs Ada in at the address her client was told, and brings the answer back to it. */
async function allow(client: { finish(callback: URL): Promise<void> }, url: URL | undefined) {
  if (!url) throw new Error('nobody was sent to the gateway')
  const stop = await createBrowser({ redirectUris: [redirectUrl] }).walk(url.href, ['Allow'])
  await client.finish(new URL(stop.url))
}

async function endSessions() {
  const { items } = await world.gateway.admin<{ items: { id: string }[] }>('GET', '/token-sessions')
  for (const { id } of items) await world.gateway.admin('DELETE', `/token-sessions/${id}`)
}

describe.each(generations)('a client of the official SDK %s, with a gateway', (_, createClient) => {
  test('gets from a bare address to a tool, and back to the sign-in once its session is ended', async () => {
    const client = createClient({ mcpUrl, redirectUrl })
    const url = await client.connect()
    expect(Object.fromEntries(url?.searchParams ?? [])).toMatchObject({
      resource: mcpUrl,
      scope: expect.stringMatching(/^notes\.read(?: offline_access)?$/),
    })
    await allow(client, url)
    const answer = await client.call('whoami')
    expect(answer).toEqual({ text: expect.stringMatching(/^\S+ with \S+: notes\.read/), isError: false })

    await endSessions()
    expect(await client.call('whoami')).toBeInstanceOf(URL)
    await client.close()
  })
})

describe('a token of a gateway', () => {
  let token: string
  const asked = async (by: Guard) => {
    const verdict = await by.decide(`Bearer ${token}`)
    return verdict.outcome === 'allowed' ? 'allowed' : verdict.denial.code
  }
  beforeEach(async () => {
    const { tokens } = await signIn(world, { parameters: { resource: mcpUrl } })
    token = tokens.access_token
  })

  test('carries its ticket to tools, and opens no other server', async () => {
    const verdict = await guard.decide(`Bearer ${token}`)
    expect(verdict).toMatchObject({
      authInfo: { extra: { issuer: world.gateway.issuer, tsid: expect.any(String) } },
    })
    const other = await createCredential(world.gateway, 'notes')
    expect(await asked(guardWith(other, 'https://notes.test/mcp'))).toBe('invalid_audience')
  })

  test('is seen to be revoked, by a secret as well as by a private key', async () => {
    const pair = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'own', alg: 'ES256', use: 'sig' }
    const { client_id: id } = await world.gateway.admin<{ client_id: string }>(
      'POST',
      '/resources/protected/credentials',
      { jwks: { keys: [jwk] } },
    )
    const key = { ...(await exportJWK(pair.privateKey)), kid: 'own', alg: 'ES256' }
    const guards = [guard, guardWith({ id, key })]
    for (const each of guards) expect(await asked(each)).toBe('allowed')
    await endSessions()
    for (const each of guards) expect(await asked(each)).toBe('token_revoked')
  })

  test('opens nothing while a credential is wrong, and nothing once it has ended', async () => {
    expect(await asked(guardWith({ id: 'unknown', secret: 'wrong' }))).toBe('policy_unavailable')
    world.clock.advance(3700)
    expect(await asked(guard)).toBe('invalid_token')
  })
})
