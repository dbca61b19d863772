import type { JsonObject } from './bounded-fetch.ts'
import { acceptParsed, type ReadJson, readStrictJson } from './strict-json.ts'

/** A call of a tool; one without an id is a notification, and nobody waits for its answer. */
export type ToolCall = {
  readonly id?: string | number
  readonly tool: string
  readonly arguments: JsonObject
}

/** What a body asks, as far as it matters here. */
export type RpcBody = {
  readonly outcome: 'read'
  readonly isBatch: boolean
  readonly calls: readonly ToolCall[]
  /** Of the requests for lists of tools. */
  readonly listIds: readonly (string | number)[]
  /** Of all requests, whatever they ask. */
  readonly ids: readonly (string | number)[]
}

export type RpcFault = {
  readonly outcome: 'refused'
  readonly status: number
  /** As JSON-RPC 2.0 section 5.1 has it. */
  readonly code: number
  readonly says: string
}

/** What the gateway decides about at once. */
const mostMessages = 100

export const nothingAsked: RpcBody = { outcome: 'read', isBatch: false, calls: [], listIds: [], ids: [] }

export const tooLarge: RpcFault = refusal(413, -32600, 'The body is too large')
export const notJson: RpcFault = refusal(
  415,
  -32600,
  'The body must be application/json in UTF-8, not compressed',
)

/** RFC 9110 section 9.3.8: such a request has no body, and where it has one, not everybody is shown it. */
export const notTraced: RpcFault = refusal(405, -32600, 'TRACE is not served')

/** Whoever read it may hand on what they like: it cannot be judged any more. */
export const bodyUsed: RpcFault = refusal(
  500,
  -32603,
  'The body was read before the guard; mount the guard first',
)

export const bodyChanged: RpcFault = refusal(
  500,
  -32603,
  'The body was changed before the guard; mount the guard first',
)

/** Whether a body of that description can be read in one way only. */
export function isPlainJson(
  contentType: string | null | undefined,
  encoding: string | null | undefined,
): boolean {
  const [type = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim().toLowerCase())
  const isUtf8 = parameters.every((each) => !/^charset\s*=/.test(each) || /=\s*"?utf-?8"?$/.test(each))
  return type === 'application/json' && isUtf8 && /^(?:identity)?$/i.test((encoding ?? '').trim())
}

export const readRpcBytes = (bytes: Uint8Array): RpcBody | RpcFault => understand(readStrictJson(bytes))

/** The body as a parser in front left it: an object, or text and bytes that nobody parsed yet. */
export function readRpcParsed(body: unknown): RpcBody | RpcFault {
  if (typeof body === 'string') return readRpcBytes(new TextEncoder().encode(body))
  return body instanceof Uint8Array ? readRpcBytes(body) : understand(acceptParsed(body))
}

function understand(read: ReadJson): RpcBody | RpcFault {
  if (read.outcome === 'refused') return refusal(400, -32700, read.says)
  const isBatch = Array.isArray(read.value)
  const messages: unknown[] = Array.isArray(read.value) ? read.value : [read.value]
  if (messages.length === 0 || messages.length > mostMessages)
    return invalid('The batch is empty or too long')
  const ids: (string | number)[] = []
  const listIds: (string | number)[] = []
  const calls: ToolCall[] = []
  for (const message of messages) {
    const found = understandMessage(message)
    if (found.outcome === 'refused') return found
    const { id, method, call } = found
    if (id !== undefined && method !== undefined) ids.push(id)
    if (id !== undefined && method === 'tools/list') listIds.push(id)
    if (call) calls.push(call)
  }
  if (new Set(ids).size < ids.length) return invalid('Two requests have one id')
  return { outcome: 'read', isBatch, calls, listIds, ids }
}

type Understood = {
  readonly outcome: 'read'
  readonly id?: string | number
  readonly method?: string
  readonly call?: ToolCall
}

const judged = ['tools/call', 'tools/list']
const ofMessages = ['id', 'method', 'params']
const ofCalls = ['name', 'arguments']

const folded = (text: string): string => text.normalize('NFKC').trim().toLowerCase()

/** Some readers of JSON take `Method` for `method`, and of both the last. */
const hasResembling = (object: JsonObject, names: readonly string[]): boolean =>
  Object.keys(object).some((name) => !names.includes(name) && names.includes(folded(name)))

function understandMessage(message: unknown): Understood | RpcFault {
  if (!isObject(message)) return invalid('A message is not an object')
  if (hasResembling(message, ofMessages)) return invalid(resembling)
  const { id, method } = message
  // An answer of the client to what the server asked.
  if (method === undefined) return { outcome: 'read' }
  if (typeof method !== 'string') return invalid('A method is not text')
  if (id !== undefined && typeof id !== 'string' && typeof id !== 'number')
    return invalid('An id is neither text nor number')
  const meant = folded(method)
  // A server that is less exact about names than this must not run what was not judged.
  if (judged.includes(meant) && meant !== method) return refusal(400, -32601, 'There is no such method')
  const named = { outcome: 'read', method, ...(id === undefined ? {} : { id }) } as const
  if (method !== 'tools/call') return named
  const { params } = message
  if (isObject(params) && hasResembling(params, ofCalls)) return invalid(resembling)
  const { name, arguments: values = {} } = isObject(params) ? params : {}
  if (typeof name !== 'string' || !isObject(values))
    return refusal(400, -32602, 'This is not a call of a tool')
  return { ...named, call: { tool: name, arguments: values, ...(id === undefined ? {} : { id }) } }
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const resembling = 'A name of a message is not written as it must be'

const invalid = (says: string): RpcFault => refusal(400, -32600, says)

function refusal(status: number, code: number, says: string): RpcFault {
  return { outcome: 'refused', status, code, says }
}

export function faultResponse({ status, code, says }: RpcFault): Response {
  const headers = { 'cache-control': 'no-store' }
  return Response.json({ jsonrpc: '2.0', id: null, error: { code, message: says } }, { status, headers })
}
