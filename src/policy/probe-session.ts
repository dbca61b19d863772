import type { GuardedFetch, GuardedRequest } from '../lib/guarded-fetch.ts'
import { version } from '../lib/version.ts'
import { type RpcAnswer, readRpcAnswer } from './rpc-answer.ts'

/** How an MCP server is reached: at its URI alone, which an administrator gave. */
export type ProbeRoute = {
  fetch: GuardedFetch
  uri: string
  /** Seconds for each request. */
  deadline: number
  signal: AbortSignal
}

export type Session = {
  call(method: string, params?: Record<string, unknown>): Promise<RpcAnswer>
  /** The first answer, to `initialize`. */
  opened: RpcAnswer
  end(): Promise<void>
}

const protocolVersion = '2025-11-25'

export const initialize = {
  protocolVersion,
  capabilities: {},
  clientInfo: { name: 'coatcheck-probe', version },
}

export async function get(route: ProbeRoute, url: string): Promise<Response> {
  return await send(route, url, { headers: { accept: 'application/json' } })
}

/** One request as an MCP client sends it, with this token or with none. */
export async function post(
  route: ProbeRoute,
  message: Record<string, unknown>,
  headers: Record<string, string>,
): Promise<Response> {
  return await send(route, route.uri, {
    method: 'POST',
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
  })
}

/** Begins as every client does; a server that knows no sessions is none the worse. */
export async function openSession(route: ProbeRoute, token: string): Promise<Session> {
  let headers: Record<string, string> = { authorization: `Bearer ${token}` }
  let lastId = 0
  const call: Session['call'] = async (method, params = {}) => {
    const id = ++lastId
    return await readRpcAnswer(await post(route, { id, method, params }, headers), id)
  }
  const opened = await call('initialize', initialize)
  const sessionId = opened.headers.get('mcp-session-id')
  const agreed = opened.result?.protocolVersion
  headers = {
    ...headers,
    ...(sessionId !== null && { 'mcp-session-id': sessionId }),
    ...(typeof agreed === 'string' && { 'mcp-protocol-version': printable(agreed) }),
  }
  if (opened.result) await post(route, { method: 'notifications/initialized' }, headers)
  return {
    call,
    opened,
    async end() {
      if (sessionId !== null) await send(route, route.uri, { method: 'DELETE', headers })
    },
  }
}

/** A header takes no more of what a server made up. */
const printable = (text: string) => text.replaceAll(/[^\x21-\x7E]/g, '').slice(0, 64)

async function send(route: ProbeRoute, url: string, request: GuardedRequest): Promise<Response> {
  const { fetch, uri, deadline, signal } = route
  return await fetch(url, { ...request, deadline, signal, privateHosts: new Set([new URL(uri).host]) })
}
