import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMcpClient } from '../../examples/demo/mcp-client.ts'
import { runMcpServer } from '../../examples/demo/mcp-server.ts'
import type { Tool } from '../../examples/mcp-server/server.ts'
import { createClientV2 } from '../real-clients/client-v2.ts'
import { createBrowser } from '../support/browser.ts'
import { freePort } from '../support/gateway.ts'
import { createCredential, startWorld, type World } from '../support/world.ts'

const redirectUrl = 'http://127.0.0.1:9/callback'
const generations = [
  ['1.x', createMcpClient],
  ['2.x', createClientV2],
] as const
/** What clients ask for that are sent to the person each time: 1.x refreshes first, and gives up when that did not help. */
const withoutRefresh = ['authorization_code']
type Items = { items: { name: string; published_hash: string }[] }
type Decisions = { items: { detail: { required: { acr_values: string } } }[] }
type Client = ReturnType<(typeof generations)[number][1]>

let world: World
let scoped: Awaited<ReturnType<typeof startExample>>
let governed: Awaited<ReturnType<typeof startExample>>

beforeAll(async () => {
  world = await startWorld('oidc')
  scoped = await startExample('scoped')
  governed = await startExample('governed', { TOOL_POLICY: 'gateway' })
  await review('governed')
})
afterAll(async () => {
  await scoped.stop()
  await governed.stop()
  await world.stop()
})

/** The example as its settings start it, with tools of the provider there is here. */
async function startExample(id: string, settings: Record<string, string> = {}) {
  const { gateway, provider, upstream } = world
  const port = await freePort()
  const mcpUrl = `http://localhost:${port}/mcp`
  await gateway.admin('PUT', `/resources/${id}`, {
    resource: mcpUrl,
    name: id,
    scopes: { 'profile.read': 'See who you are', 'repositories.read': 'List your repositories' },
    default_scopes: ['profile.read', 'repositories.read'],
    providers: [{ provider, scopes: [upstream.scope] }],
  })
  const { id: clientId, secret } = await createCredential(gateway, id)
  const { issuer } = upstream.definition.variables as { issuer: string }
  const ofPerson = { description: 'Who you are', provider, url: `${issuer}/me`, shows: ['sub'] }
  const tools: Record<string, Tool> = {
    whoami: { ...ofPerson, scopes: ['profile.read'] },
    list_repositories: { ...ofPerson, scopes: ['repositories.read'] },
    confirm: { ...ofPerson, scopes: ['profile.read'] },
  }
  const env = { COATCHECK_ISSUER: gateway.issuer, MCP_URL: mcpUrl, PORT: String(port), ...settings }
  const server = await runMcpServer(
    { ...env, RESOURCE_CLIENT_ID: clientId, RESOURCE_CLIENT_SECRET: secret },
    tools,
  )
  return { mcpUrl, stop: server.stop }
}

/** What an administrator does: opens each tool, tries the server, lets people in, and keeps one tool from them. */
async function review(id: string) {
  const { admin } = world.gateway
  const at = `/resources/${id}`
  const rules: Record<string, object> = {
    whoami: { scopes: ['profile.read'] },
    list_repositories: { scopes: ['repositories.read'] },
    confirm: { scopes: ['profile.read'], step_up: { max_age: 300 } },
  }
  for (const { name, published_hash } of (await admin<Items>('GET', `${at}/tools`)).items)
    await admin('PUT', `${at}/tools/${name}`, { published_hash, ...rules[name] })
  const { probes } = await admin<{ probes: { outcome: string }[] }>('POST', `${at}/application/probe`)
  expect(probes.map(({ outcome }) => outcome)).toEqual(Array(6).fill('passed'))
  await admin('POST', `${at}/application/activate`)
  await admin('PUT', `${at}/roles/guest`, { scopes: ['profile.read'] })
  const conditions = { denied_tools: ['list_repositories'] }
  await admin('POST', `${at}/bindings`, { role: 'guest', holder: { everyone: true }, conditions })
}

/** What a person does at the address a client sends them to; `changed` is what the client asks there beyond the SDK. */
async function approve(client: Client, url: URL | undefined, changed: Record<string, string> = {}) {
  if (!url) throw new Error('nobody was sent to the gateway')
  for (const [name, value] of Object.entries(changed)) url.searchParams.set(name, value)
  const stop = await createBrowser({ redirectUris: [redirectUrl] }).walk(url.href, ['Allow'])
  await client.finish(new URL(stop.url))
}

test('the example fits on a page', () => {
  const lines = readFileSync('examples/mcp-server/server.ts', 'utf8').trimEnd().split('\n')
  expect(lines.length).toBeLessThan(60)
})

describe.each(generations)('a client of the official SDK %s at the example', (version, createClient) => {
  const clientOf = (mcpUrl: string, grantTypes?: string[]): Client => {
    const client = createClient({ mcpUrl, redirectUrl, grantTypes })
    onTestFinished(() => client.close())
    return client
  }
  const isAda = { text: expect.stringContaining('{"sub":'), isError: false }

  test('lists its tools and calls them', async () => {
    const client = clientOf(scoped.mcpUrl)
    const url = await client.connect()
    expect(url?.searchParams.get('scope')).toContain('profile.read repositories.read')
    await approve(client, url)
    expect(await client.tools()).toEqual(['whoami', 'list_repositories', 'confirm'])
    expect(await client.call('whoami')).toEqual(isAda)
    expect(await client.call('list_repositories')).toEqual(isAda)
  })

  test('sees what its scopes open, is refused the rest, and asks the person for more', async () => {
    const client = clientOf(scoped.mcpUrl, withoutRefresh)
    await approve(client, await client.connect(), { scope: 'profile.read' })
    expect(await client.tools()).toEqual(['whoami', 'confirm'])
    expect(await client.call('whoami')).toEqual(isAda)

    const more = await client.call('list_repositories')
    if (!(more instanceof URL)) throw new Error(`not sent to the gateway but told ${more.text}`)
    expect(more.searchParams.get('scope')?.split(' ')).toEqual(
      expect.arrayContaining(['profile.read', 'repositories.read']),
    )
    await approve(client, more)
    expect(await client.call('list_repositories')).toEqual(isAda)
    expect(await client.tools()).toContain('list_repositories')
  })

  test('with a refresh token 1.x cannot ask for more, and 2.x can', async () => {
    const client = clientOf(scoped.mcpUrl)
    await approve(client, await client.connect(), { scope: 'profile.read' })
    const asked = client.call('list_repositories')
    if (version === '1.x') await expect(asked).rejects.toThrow('403 after trying upscoping')
    else expect(await asked).toBeInstanceOf(URL)
  })

  test('calls what an administrator leaves open, and is told in words of the rest', async () => {
    const client = clientOf(governed.mcpUrl)
    await approve(client, await client.connect())
    expect(await client.tools()).toEqual(['whoami', 'confirm'])
    expect(await client.call('whoami')).toEqual(isAda)
    expect(await client.call('list_repositories')).toEqual({
      text: expect.stringContaining('denied'),
      isError: true,
    })
  })

  test('is sent to sign in for a call that needs it, and then makes that call once', async () => {
    const client = clientOf(governed.mcpUrl, withoutRefresh)
    await approve(client, await client.connect())
    const again = await client.call('confirm')
    if (!(again instanceof URL)) throw new Error(`not sent to sign in but told ${again.text}`)
    // What the challenge says of the sign-in the SDK leaves to whoever builds a client with it.
    const { items } = await world.gateway.admin<Decisions>('GET', '/decisions?tool=confirm&limit=1')
    await approve(client, again, { acr_values: items[0]?.detail.required.acr_values ?? '', max_age: '300' })
    expect(await client.call('confirm')).toEqual(isAda)
    expect(await client.call('confirm')).toBeInstanceOf(URL)
  })

  test('with a refresh token is not sent to sign in for a call, and told no', async () => {
    const client = clientOf(governed.mcpUrl)
    await approve(client, await client.connect())
    await expect(client.call('confirm')).rejects.toThrow(/401|[Uu]nauthorized/)
  })
})
