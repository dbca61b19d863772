import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createMcpClient } from '../../examples/demo/mcp-client.ts'
import { createClientV2 } from '../../test/real-clients/client-v2.ts'
import { type Browser, createBrowser } from '../../test/support/browser.ts'
import { freePort } from '../../test/support/gateway.ts'
import { policyOf } from '../../test/support/tool-policy.ts'
import { createCredential, newBrowser, signIn, startWorld, type World } from '../../test/support/world.ts'
import { denialMetaKey, type Guard, parseChallenge, protect, publishTools } from '../src/index.ts'
import { clients, generations } from './support/clients.ts'
import { type Kind, type MoreTools, mcp1, mcp2, startServer } from './support/servers.ts'

const redirectUrl = 'http://127.0.0.1:9/callback'

/** Servers of both SDKs, with and without sessions, that answer with JSON and with streams. */
const kinds: Kind[] = [
  'Express, SDK 1.x, stateful, mounted',
  'Fastify, SDK 1.x, stateless',
  'Fastify, SDK 2.x, stateful, in a scope',
  'a Web Request, SDK 2.x',
]
const tools = ['read_note', 'write_note', 'delete_all', 'count_notes', 'unreviewed']

let world: World
let browser: Browser
let ran: string[]
let token: string
const more: MoreTools = { names: tools, ran: (tool) => void ran.push(tool) }

type Started = { url: string; guard: Guard; stop(): Promise<void> }

/** An MCP server that publishes its tools, and whose administrator opens all but one of them. */
async function startNotes(kind: Kind, id: string): Promise<Started> {
  const { gateway, provider, upstream, clock } = world
  const port = await freePort()
  const url = `http://localhost:${port}/mcp`
  await gateway.admin('PUT', `/resources/${id}`, {
    resource: url,
    name: 'Protected',
    scopes: { 'notes.read': 'Read your notes', 'notes.write': 'Change your notes' },
    default_scopes: ['notes.read'],
    providers: [{ provider, scopes: [upstream.scope] }],
  })
  const access = { issuer: gateway.issuer, credential: await createCredential(gateway, id) }
  const make = kind.includes('2.x') ? () => mcp2(more) : () => mcp1(more)
  const published = await publishTools({
    ...access,
    tools: make,
    suggestedScopes: { read_note: ['notes.read'] },
  })
  expect(published.added).toEqual(['whoami', ...tools])
  await published.stop()
  const policy = policyOf(gateway, id)
  for (const name of ['whoami', 'read_note', 'count_notes'])
    await policy.open(name, { scopes: ['notes.read'] })
  await policy.open('write_note', { scopes: ['notes.write'] })
  await policy.open('delete_all', { scopes: ['notes.read'], step_up: { max_age: 300 } })
  await policy.limit({ per: 'subject', limit: 2, window: 'minute', tools: ['count_notes'] })
  await policy.activate()
  const guard = protect({
    resource: url,
    ...access,
    tools: 'gateway',
    requiredScopes: [],
    introspectionLifetime: 0,
    // This machine runs seven other things at the same time.
    decisionDeadline: 10,
    clock: clock.now,
  })
  const server = await startServer(kind, guard, port, more)
  return { url, guard, stop: server.stop }
}

beforeAll(async () => {
  world = await startWorld('oidc')
})
afterAll(() => world.stop())
beforeEach(() => {
  ran = []
  world.clock.advance(61)
  world.upstream.advance(0)
})

async function endSessions() {
  const { items } = await world.gateway.admin<{ items: { id: string }[] }>('GET', '/token-sessions')
  for (const { id } of items) await world.gateway.admin('DELETE', `/token-sessions/${id}`)
}

describe.each(kinds)('%s', (kind) => {
  let notes: Started
  beforeAll(async () => {
    notes = await startNotes(kind, `notes-${kinds.indexOf(kind)}`)
  })
  afterAll(() => notes.stop())
  beforeEach(async () => {
    browser = newBrowser()
    token = (await signIn(world, { browser, parameters: { resource: notes.url } })).tokens.access_token
  })

  const call = async (name: string, by = token, id: number | string = 1) =>
    await fetch(notes.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${by}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } }),
    })

  test.each(generations)(
    'shows a client of the SDK %s what it may call, and runs that alone',
    async (generation) => {
      const client = await clients[generation](notes.url, token)
      const listed = (await client.listTools()).tools.map(({ name }) => name)
      expect(listed).toEqual(['whoami', 'read_note', 'delete_all', 'count_notes'])
      expect(await client.callTool({ name: 'read_note' })).toMatchObject({
        content: [{ text: 'did read_note' }],
      })
      const refused = await client.callTool({ name: 'unreviewed' })
      expect(refused).toMatchObject({
        isError: true,
        content: [{ type: 'text', text: expect.stringMatching(/./) }],
        _meta: {
          [denialMetaKey]: {
            code: 'policy_denied',
            reason: 'tool_unreviewed',
            decision_id: expect.stringMatching(/./),
          },
        },
      })
      await expect(client.callTool({ name: 'write_note' })).rejects.toThrow()
      await client.close()
      expect(ran).toEqual(['read_note'])
    },
  )

  test('says with Retry-After when a quota lets somebody on', async () => {
    // The beginning of a minute: what follows must not take longer.
    world.clock.advance(60 - (world.clock.now() % 60))
    const client = await clients['1.x'](notes.url, token)
    const answers = []
    for (const _ of [1, 2, 3]) answers.push(await client.callTool({ name: 'count_notes' }))
    await client.close()
    expect(answers.map(({ isError = false }) => isError)).toEqual([false, false, true])
    expect(answers[2]?._meta).toMatchObject({
      [denialMetaKey]: { code: 'rate_limited', retry_after: expect.any(Number) },
    })
    expect(ran).toEqual(['count_notes', 'count_notes'])
  })

  test('leads to a sign-in for one call, which then runs once', async () => {
    const refused = await call('delete_all')
    expect(refused.status).toBe(401)
    const parsed = parseChallenge(refused.headers.get('www-authenticate') ?? '')
    const [challenge] = parsed.outcome === 'parsed' ? parsed.challenges : []
    const asked = Object.fromEntries(challenge?.parameters ?? [])
    expect(asked).toMatchObject({
      error: 'insufficient_user_authentication',
      acr_values: expect.stringMatching(/^urn:coatcheck:step-up:/),
      max_age: '300',
      scope: 'notes.read',
    })
    const { acr_values = '', max_age = '' } = asked
    const { tokens } = await signIn(world, {
      browser,
      parameters: { resource: notes.url, acr_values, max_age },
    })
    const client = await clients['2.x'](notes.url, tokens.access_token)
    expect(await client.callTool({ name: 'delete_all', arguments: {} })).toMatchObject({
      content: [{ text: 'did delete_all' }],
    })
    await client.close()
    expect((await call('delete_all', tokens.access_token)).status).toBe(401)
    expect(ran).toEqual(['delete_all'])
  })

  test('reports what is wrong in the order of the five checks', async () => {
    const codeOf = async (name: string, by = token) =>
      ((await (await call(name, by)).json()) as { code: string }).code
    const other = (await signIn(world, { browser })).tokens.access_token
    expect(await codeOf('write_note')).toBe('scope_insufficient')
    expect(await codeOf('write_note', other)).toBe('invalid_audience')
    await endSessions()
    // Revoked now, and to be refused by the policy: each is told only where nothing before it is wrong.
    expect(await codeOf('write_note')).toBe('scope_insufficient')
    expect(await codeOf('read_note')).toBe('token_revoked')
    expect(await codeOf('unreviewed')).toBe('token_revoked')
    expect(await codeOf('write_note', other)).toBe('invalid_audience')
    world.clock.advance(3700)
    expect(await codeOf('write_note')).toBe('invalid_token')
    expect(await codeOf('write_note', other)).toBe('invalid_token')
    expect(ran).toEqual([])
  })

  test('passes every probe of the gateway', async () => {
    const path = `/resources/notes-${kinds.indexOf(kind)}/application/probe`
    const { probes } = await world.gateway.admin<{ probes: { check: string; outcome: string }[] }>(
      'POST',
      path,
    )
    expect(probes).toHaveLength(6)
    expect(probes.filter(({ outcome }) => outcome !== 'passed')).toEqual([])
    expect(ran).toEqual([])
  })

  test('answers nobody’s list once a token is revoked', async () => {
    await endSessions()
    for (const generation of generations) {
      await expect(clients[generation](notes.url, token)).rejects.toThrow()
    }
  })
})

describe('a client that signs people in', () => {
  let notes: Started
  beforeAll(async () => {
    notes = await startNotes('Express, SDK 1.x, stateless', 'asking')
  })
  afterAll(() => notes.stop())

  async function signedIn(createClient: typeof createMcpClient | typeof createClientV2) {
    const client = createClient({ mcpUrl: notes.url, redirectUrl })
    const allow = async (url: URL | undefined) => {
      const stop = await createBrowser({ redirectUris: [redirectUrl] }).walk(String(url), ['Allow'])
      await client.finish(new URL(stop.url))
    }
    await allow(await client.connect())
    expect(await client.call('read_note')).toEqual({ text: 'did read_note', isError: false })
    return { client, allow }
  }

  test('asks for the scope that a call lacks, beside those it has (SDK 2.x)', async () => {
    const { client, allow } = await signedIn(createClientV2)
    const url = await client.call('write_note')
    if (!(url instanceof URL)) throw new Error('nobody was asked')
    expect(url.searchParams.get('scope')).toMatch(/notes\.write/)
    expect(url.searchParams.get('scope')).toMatch(/notes\.read/)
    await allow(url)
    expect(await client.call('write_note')).toEqual({ text: 'did write_note', isError: false })
    await client.close()
    expect(ran).toEqual(['read_note', 'write_note'])
  })

  test('refreshes its token once and then gives up (SDK 1.x)', async () => {
    const { client } = await signedIn(createMcpClient)
    await expect(client.call('write_note')).rejects.toThrow('403')
    await client.close()
    expect(ran).toEqual(['read_note'])
  })
})
