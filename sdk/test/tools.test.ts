import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { denialMetaKey, type Guard, parseChallenge, protect } from '../src/index.ts'
import { clients } from './support/clients.ts'
import { mcpRequest } from './support/fake-gateway.ts'
import { type Issuer, startIssuer } from './support/issuer.ts'
import { kinds, type MoreTools, startServer } from './support/servers.ts'
import { claims, now, resource } from './support/tokens.ts'

let issuer: Issuer
let guard: Guard
let ran: string[]
const more: MoreTools = {
  names: ['read_note', 'write_note', 'delete_all', 'unpublished'],
  ran: (tool) => void ran.push(tool),
}

beforeAll(async () => {
  issuer = await startIssuer()
  guard = protect({
    resource,
    issuer: issuer.issuer,
    clock: () => now,
    tools: {
      whoami: 'public',
      read_note: { scopes: ['notes.read', 'notes.all'] },
      write_note: { scopes: ['notes.read', 'notes.write'], match: 'all' },
      delete_all: { scopes: ['notes.all'] },
    },
  })
})
afterAll(() => issuer.stop())
beforeEach(() => {
  ran = []
})

const headers = (token: string, of: Record<string, string> = {}) => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2025-03-26',
  ...of,
})
const toolCall = (name: string, id?: string | number) => ({
  jsonrpc: '2.0',
  ...(id !== undefined && { id }),
  method: 'tools/call',
  params: { name, arguments: {} },
})

describe.each(kinds)('%s', (kind) => {
  let server: Awaited<ReturnType<typeof startServer>>
  let token: string
  beforeAll(async () => {
    server = await startServer(kind, guard, 0, more)
    token = await issuer.sign(claims)
  })
  afterAll(() => server.stop())

  const post = async (body: unknown, of: Record<string, string> = {}, by = token) =>
    await fetch(server.url, {
      method: 'POST',
      headers: headers(by, of),
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })

  test.each(Object.entries(clients))(
    'shows the client of the SDK %s what it may call, and runs no more',
    async (_, connect) => {
      const client = await connect(server.url, token)
      const { tools } = await client.listTools()
      expect(tools.map(({ name }) => name)).toEqual(['whoami', 'read_note'])
      expect(tools[1]).toMatchObject({ description: 'Does read_note', inputSchema: { type: 'object' } })
      expect(await client.callTool({ name: 'read_note' })).toMatchObject({
        content: [{ text: 'did read_note' }],
      })
      const refused = await client.callTool({ name: 'unpublished' })
      expect(refused).toMatchObject({
        isError: true,
        _meta: { [denialMetaKey]: { code: 'policy_denied', reason: 'unknown_tool', tool: 'unpublished' } },
      })
      await expect(client.callTool({ name: 'delete_all' })).rejects.toThrow()
      await client.close()
      expect(ran).toEqual(['read_note'])
    },
  )

  test('answers a call that lacks a scope by HTTP, with what to ask for', async () => {
    const response = await post(toolCall('write_note', 7))
    expect(response.status).toBe(403)
    const header = parseChallenge(response.headers.get('www-authenticate') ?? '')
    expect(header).toMatchObject({
      challenges: [
        {
          parameters: new Map([
            ['error', 'insufficient_scope'],
            ['scope', 'notes.read notes.write'],
            ['resource_metadata', guard.metadataUrl],
            ['error_description', expect.any(String)],
          ]),
        },
      ],
    })
    expect(await response.json()).toMatchObject({ code: 'scope_insufficient', tool: 'write_note' })
    expect(ran).toEqual([])
  })

  test('runs nothing of a batch of which a call is denied, and answers each of its requests', async () => {
    const batch = [toolCall('read_note', 'a'), toolCall('unpublished', 1), toolCall('unpublished')]
    const response = await post(batch)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual([
      { jsonrpc: '2.0', id: 'a', error: { code: -32003, message: expect.stringContaining('Not run') } },
      { jsonrpc: '2.0', id: 1, result: expect.objectContaining({ isError: true }) },
    ])
    expect((await post([toolCall('unpublished', 1), toolCall('write_note', 2)])).status).toBe(403)
    expect(ran).toEqual([])
  })

  test('runs no notification that is denied, and says so by the status alone', async () => {
    expect((await post(toolCall('unpublished'))).status).toBe(403)
    expect((await post([toolCall('unpublished')])).status).toBe(403)
    expect(ran).toEqual([])
  })

  const tricks: [string, string, Record<string, string>?][] = [
    [
      'a name that comes twice',
      '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"delete_all"}}',
    ],
    [
      'a name that comes twice, written in two ways',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note","n\\u0061me":"delete_all"}}',
    ],
    ['a batch in a batch', JSON.stringify([[toolCall('delete_all', 1)]])],
    ['a method in capitals', '{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"delete_all"}}'],
    ['a method with space', '{"jsonrpc":"2.0","id":1,"method":" tools/call","params":{"name":"delete_all"}}'],
    [
      'a method in full width',
      '{"jsonrpc":"2.0","id":1,"method":"ｔools/call","params":{"name":"delete_all"}}',
    ],
    [
      'a method that is a list',
      '{"jsonrpc":"2.0","id":1,"method":["tools/call"],"params":{"name":"delete_all"}}',
    ],
    [
      'what objects inherit from',
      '{"jsonrpc":"2.0","id":1,"__proto__":{"method":"tools/call","params":{"name":"delete_all"}}}',
    ],
    [
      'a tool that is a list',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["delete_all"]}}',
    ],
    [
      'an id that is an object',
      '{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{"name":"delete_all"}}',
    ],
    ['two calls with one id', JSON.stringify([toolCall('read_note', 1), toolCall('read_note', 1)])],
    ['a byte order mark', `\ufeff${JSON.stringify(toolCall('delete_all', 1))}`],
    ['text that is not JSON', 'tools/call'],
    ['nothing in a batch', '[]'],
    [
      'a depth that would end a stack',
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${'['.repeat(5000)}${']'.repeat(5000)}}`,
    ],
    ['no content type', JSON.stringify(toolCall('delete_all', 1)), { 'content-type': '' }],
    ['text', JSON.stringify(toolCall('delete_all', 1)), { 'content-type': 'text/plain' }],
    [
      'UTF-16',
      JSON.stringify(toolCall('delete_all', 1)),
      { 'content-type': 'application/json; charset=utf-16' },
    ],
    [
      'UTF-7',
      JSON.stringify(toolCall('delete_all', 1)),
      { 'content-type': 'application/json; charset="utf-7"' },
    ],
    ['compression', JSON.stringify(toolCall('delete_all', 1)), { 'content-encoding': 'gzip' }],
    ['too much', JSON.stringify({ ...toolCall('read_note', 1), more: 'x'.repeat(4 * 1024 * 1024) })],
  ]
  test.each(tricks)('runs nothing for %s', async (_, body, of) => {
    const response = await post(body, of)
    expect(response.status).toBeGreaterThanOrEqual(400)
    expect(response.status).toBeLessThan(500)
    expect(ran).toEqual([])
  })

  test('goes by the method of HTTP, whatever a header says', async () => {
    const override = { 'x-http-method-override': 'GET', 'x-method-override': 'GET' }
    expect((await post(toolCall('delete_all', 1), override)).status).toBe(403)
    expect(ran).toEqual([])
  })

  test('tells a tool by every letter of its name', async () => {
    for (const name of [
      'Read_note',
      'read_note ',
      'read_note\u0000',
      'ｒead_note',
      '__proto__',
      'constructor',
      '\ud800',
    ]) {
      const { result } = (await (await post(toolCall(name, 1))).json()) as { result: { isError: boolean } }
      expect(result.isError).toBe(true)
    }
    expect(ran).toEqual([])
  })
})

describe('several things that are wrong, with scopes alone', () => {
  const codeOf = async (by: Record<string, unknown>, name: string) => {
    issuer.introspect(() => ({ active: false }))
    const guard = protect({
      resource,
      issuer: issuer.issuer,
      credential: { id: 'notes', secret: 'secret' },
      clock: () => now,
      tools: { read_note: { scopes: ['notes.read'] }, write_note: { scopes: ['notes.write'] } },
    })
    const token = await issuer.sign({ ...claims, ...by })
    const response = await guard.handle(mcpRequest(token, toolCall(name, 1)), () => {
      throw new Error('it was run')
    })
    return ((await response.json()) as { code: string }).code
  }

  test('are told in the order of the five checks', async () => {
    expect(await codeOf({ exp: now - 60, aud: 'https://other.example' }, 'write_note')).toBe('invalid_token')
    expect(await codeOf({ aud: 'https://other.example' }, 'write_note')).toBe('invalid_audience')
    expect(await codeOf({}, 'write_note')).toBe('scope_insufficient')
    expect(await codeOf({}, 'read_note')).toBe('token_revoked')
    expect(await codeOf({}, 'unknown')).toBe('token_revoked')
  })
})
