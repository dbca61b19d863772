import { McpServer as McpServer1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { McpServer as McpServer2, Server as Server2 } from '@modelcontextprotocol/server'
import { beforeEach, describe, expect, test } from 'vitest'
import { ConfigurationError, type PublishError, type PublishOptions, publishTools } from '../src/index.ts'

type Manifest = { tools: Record<string, unknown>[] }

let published: Manifest[]
let heard: () => void
let status: number

beforeEach(() => {
  published = []
  heard = () => {}
  status = 200
})

const options: Omit<PublishOptions, 'tools'> = {
  issuer: 'https://gateway.example',
  credential: { id: 'notes', secret: 'secret' },
  fetch: async (url, init) => {
    expect([String(url), init?.method]).toEqual(['https://gateway.example/v1/tools', 'PUT'])
    if (status !== 200) return Response.json({}, { status })
    const manifest: Manifest = JSON.parse(String(init?.body))
    published.push(manifest)
    heard()
    return Response.json({
      tools: 1,
      added: manifest.tools.map(({ name }) => name),
      changed: [],
      // Of the second nothing that is a name can be made.
      withdrawn: ['old', { toString: 1, valueOf: 1 }],
    })
  },
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'published',
    (error: PublishError) => error.code,
  )
const names = () => published.map(({ tools }) => tools.map(({ name }) => name))

describe.each([
  ['1.x', McpServer1],
  // The same members, of types of their own.
  ['2.x', McpServer2 as unknown as typeof McpServer1],
] as const)('an MCP server of the SDK %s', (_, McpServer) => {
  function make() {
    const server = new McpServer(
      { name: 'notes', version: '1.0.0' },
      { capabilities: { tools: { listChanged: true } } },
    )
    const annotations = { readOnlyHint: true }
    server.registerTool('read', { title: 'Read', description: 'Reads', annotations }, () => ({ content: [] }))
    server.registerTool('write', {}, () => ({ content: [] }))
    return server
  }

  test('is asked for its tools, which are published with what is suggested', async () => {
    const done = await publishTools({ ...options, tools: make, suggestedScopes: { read: ['notes.read'] } })
    expect(published).toEqual([
      {
        tools: [
          {
            name: 'read',
            title: 'Read',
            description: 'Reads',
            annotations: { readOnlyHint: true },
            input_schema: expect.objectContaining({ type: 'object' }),
            suggested_scopes: ['notes.read'],
          },
          { name: 'write', input_schema: expect.objectContaining({ type: 'object' }) },
        ],
      },
    ])
    expect(done).toMatchObject({ added: ['read', 'write'], changed: [], withdrawn: ['old'] })
    await done.stop()
  })

  test('publishes again when it says that its list changed, and not after it was stopped', async () => {
    const server = make()
    const done = await publishTools({ ...options, tools: server })
    const again = new Promise<void>((resolve) => {
      heard = resolve
    })
    server.registerTool('third', {}, () => ({ content: [] }))
    await again
    expect(names().at(-1)).toEqual(['read', 'write', 'third'])
    await done.stop()
    expect(server.isConnected()).toBe(false)
  })

  test('that changes while the gateway is away tells of it', async () => {
    const server = make()
    let tell = (_: PublishError) => {}
    const told = new Promise<PublishError>((resolve) => {
      tell = resolve
    })
    const done = await publishTools({
      ...options,
      tools: server,
      onError: (error) => tell(error),
    })
    status = 503
    server.registerTool('third', {}, () => ({ content: [] }))
    expect((await told).code).toBe('gateway_unavailable')
    await done.stop()
  })
})

test('every page of a list is published, and no tool without a name', async () => {
  const server = () => {
    const made = new Server2({ name: 'notes', version: '1.0.0' }, { capabilities: { tools: {} } })
    made.setRequestHandler('tools/list', ({ params }) => {
      const at = Number(params?.cursor ?? 0)
      const tools = [{ name: `tool-${at}`, inputSchema: { type: 'object' as const } }]
      return { tools, ...(at < 3 && { nextCursor: String(at + 1) }) }
    })
    return made
  }
  const done = await publishTools({ ...options, tools: server })
  expect(names()).toEqual([['tool-0', 'tool-1', 'tool-2', 'tool-3']])
  await done.stop()
  await publishTools({ ...options, tools: [{ name: 'a', inputSchema: {} }, { title: 'no name' }] })
  expect(names().at(-1)).toEqual(['a'])
})

test('what goes wrong has a code', async () => {
  const tools = [{ name: 'a', inputSchema: {} }]
  const broken = { connect: () => Promise.reject(new Error('Already connected')), close: async () => {} }
  const silent = { connect: async () => {}, close: async () => {} }
  expect(await codeOf(publishTools({ ...options, tools: broken }))).toBe('not_collected')
  expect(await codeOf(publishTools({ ...options, tools: silent, deadline: 0.01 }))).toBe('not_collected')
  for (const [answered, code] of [
    [401, 'credential_refused'],
    [400, 'manifest_refused'],
    [500, 'gateway_unavailable'],
  ] as const) {
    status = answered
    expect(await codeOf(publishTools({ ...options, tools }))).toBe(code)
  }
  await expect(publishTools({ ...options, issuer: 'http://far.example', tools })).rejects.toThrow(
    ConfigurationError,
  )
})

test('a list that never ends is not waited for', async () => {
  type Transport = {
    onmessage?: (message: { id?: number; method: string }) => void
    send(message: object): unknown
  }
  const endless = {
    async connect(transport: Transport) {
      transport.onmessage = ({ id, method }) => {
        const result = method === 'tools/list' ? { tools: [], nextCursor: 'more' } : {}
        if (id !== undefined) transport.send({ jsonrpc: '2.0', id, result })
      }
    },
    async close() {},
  }
  expect(await codeOf(publishTools({ ...options, tools: endless }))).toBe('not_collected')
})
