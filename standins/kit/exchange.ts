import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { parseCookies, parseForm, parseJson } from './parse.ts'

/** One request as a stand-in sees it. */
export type Call = {
  origin: string
  method: string
  /** As received: path and query. */
  url: string
  path: string
  params: Record<string, string | undefined>
  query: Record<string, string | undefined>
  /** Names given more than once in the query or in a form body (RFC 6749 section 3.1 forbids it). */
  repeated: string[]
  headers: IncomingHttpHeaders
  cookies: Record<string, string | undefined>
  bodyKind: 'none' | 'form' | 'json' | 'other'
  body: Record<string, unknown>
  rawBody: string
}

export type Reply = {
  status: number
  headers: Record<string, string | string[]>
  body: string
}

export type Handler = (call: Call) => Reply | Promise<Reply>

/** Routes of one origin: `'GET /user/:id'` to its handler. */
export type Routes = Record<string, Handler>

/** A form or JSON value as text; anything that is not text counts as absent. */
export function field(body: Record<string, unknown>, name: string): string | undefined {
  const value = body[name]
  return typeof value === 'string' ? value : undefined
}

export function bearerToken(call: Call, ...schemes: string[]): string | undefined {
  const [scheme, token, ...rest] = (call.headers.authorization ?? '').split(' ')
  const known = ['bearer', ...schemes].includes(scheme?.toLowerCase() ?? '')
  return known && token && rest.length === 0 ? token : undefined
}

export function json(status: number, value: unknown, headers: Reply['headers'] = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(value),
  }
}

export function text(status: number, body: string, headers: Reply['headers'] = {}): Reply {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body }
}

export function html(status: number, body: string, headers: Reply['headers'] = {}): Reply {
  return { status, headers: { 'content-type': 'text/html; charset=utf-8', ...headers }, body }
}

export function redirect(location: string, headers: Reply['headers'] = {}): Reply {
  return { status: 302, headers: { location, 'cache-control': 'no-store', ...headers }, body: '' }
}

export function noContent(): Reply {
  return { status: 204, headers: {}, body: '' }
}

const bodyLimit = 1024 * 1024

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size <= bodyLimit) chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function bodyKind(request: IncomingMessage, raw: Buffer): Call['bodyKind'] {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  if (type === 'application/x-www-form-urlencoded') return 'form'
  if (type === 'application/json') return 'json'
  return raw.length === 0 ? 'none' : 'other'
}

/** Reads a whole request; a body that does not parse is an empty record, and stays readable as `rawBody`. */
export async function readCall(origin: string, request: IncomingMessage): Promise<Call> {
  const url = URL.parse(`http://standin${request.url ?? '/'}`) ?? new URL('http://standin/')
  const raw = await readBody(request)
  const kind = bodyKind(request, raw)
  const query = parseForm(url.search.slice(1))
  const form = parseForm(kind === 'form' ? raw.toString() : '')
  return {
    origin,
    method: request.method ?? 'GET',
    url: url.pathname + url.search,
    path: url.pathname,
    params: {},
    query: query.values,
    repeated: [...query.repeated, ...form.repeated],
    headers: request.headers,
    cookies: parseCookies(request.headers.cookie),
    bodyKind: kind,
    body: kind === 'json' ? parseJson(raw.toString()) : form.values,
    rawBody: raw.toString(),
  }
}
