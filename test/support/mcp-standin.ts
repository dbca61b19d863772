import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt } from 'jose'

type Json = Record<string, unknown>

/** How a server goes wrong; one that says nothing of it does everything right. */
export type Habits = {
  metadata?: Json | 'absent'
  /** In place of its `WWW-Authenticate`. */
  challenge?: string
  /** What it answers to a token by its `aud`; 200 lets it in. */
  judges?(audience: unknown): number
  /** The names its list shows to who has no scope, page by page. */
  lists?: unknown[][]
  /** What it answers to a call without a scope. */
  answers?: { status?: number; result?: Json; error?: Json }
  /** Answers as a stream of events. */
  streams?: boolean
}

export type Heard = {
  method: string
  rpc: string | undefined
  params: Json
  token: string | undefined
  session: string | undefined
}

/** An MCP server on this machine that is protected by an authorization server, or not quite. */
export async function startMcpStandin(issuer: string) {
  let habits: Habits = {}
  const heard: Heard[] = []
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const uri = `${origin}/mcp`
  const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith('/.well-known/')) return describe(response)
    const rpc = await bodyOf(request)
    const { authorization, 'mcp-session-id': session } = request.headers
    const token = authorization?.replace('Bearer ', '')
    const { method = '' } = request
    heard.push({
      method,
      rpc: rpc.method as string | undefined,
      params: Object(rpc.params),
      token,
      session: session as string | undefined,
    })
    const status = token === undefined ? 401 : judge(token)
    if (status !== 200) {
      const challenge = habits.challenge ?? `Bearer error="invalid_token", resource_metadata="${metadata}"`
      return void response.writeHead(status, { 'www-authenticate': challenge }).end()
    }
    if (method === 'DELETE' || rpc.id === undefined) return void response.writeHead(202).end()
    reply(response, rpc)
  }

  function describe(response: ServerResponse): void {
    if (habits.metadata === 'absent') return void response.writeHead(404).end()
    const document = habits.metadata ?? { resource: uri, authorization_servers: [issuer] }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
  }

  function judge(token: string): number {
    const audience = audienceOf(token)
    if (habits.judges) return habits.judges(audience)
    return audience === uri ? 200 : 401
  }

  function reply(response: ServerResponse, { id, method, params }: Json): void {
    const answered: NonNullable<Habits['answers']> =
      method === 'tools/call' ? (habits.answers ?? denial) : said(method, Object(params))
    const { status = 200, ...rest } = answered
    const message = JSON.stringify({ jsonrpc: '2.0', id, ...rest })
    const headers = method === 'initialize' ? { 'mcp-session-id': 'session-1' } : {}
    if (!habits.streams) {
      return void response.writeHead(status, { ...headers, 'content-type': 'application/json' }).end(message)
    }
    const other = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: {} })
    response.writeHead(status, { ...headers, 'content-type': 'text/event-stream' })
    response.end(`: hello\n\nevent: message\ndata: ${other}\n\nid: 7\ndata: ${message}\n\n`)
  }

  function said(method: unknown, { cursor = '0' }: { cursor?: string }): { status?: number; result: Json } {
    if (method === 'initialize') return { result: { protocolVersion: '2025-06-18', capabilities: {} } }
    const pages = habits.lists ?? [[]]
    const page = Number(cursor)
    const tools = (pages[page] ?? []).map((name) => ({ name, inputSchema: { type: 'object' } }))
    return { result: { tools, ...(page + 1 < pages.length && { nextCursor: String(page + 1) }) } }
  }

  return {
    uri,
    heard,
    behave(next: Habits) {
      habits = next
      heard.length = 0
    },
    stop: () => stop(server),
  }
}

export const denial = {
  result: {
    isError: true,
    content: [],
    _meta: { 'coatcheck/denial': { code: 'scope_insufficient', next_action: 'ask' } },
  },
}

function audienceOf(token: string): unknown {
  try {
    return decodeJwt(token).aud
  } catch {
    return undefined
  }
}

async function bodyOf(request: IncomingMessage): Promise<Json> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text === '' ? {} : JSON.parse(text)
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}
