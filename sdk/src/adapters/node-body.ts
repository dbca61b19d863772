import { canonicalJson } from '../canonical-json.ts'
import { concat } from '../event-stream.ts'
import {
  bodyChanged,
  bodyUsed,
  isPlainJson,
  nothingAsked,
  notJson,
  type RpcBody,
  type RpcFault,
  readRpcBytes,
  readRpcParsed,
  tooLarge,
} from '../rpc-body.ts'

/** As much of Node's `IncomingMessage` as reading its body takes. */
export type NodeBody = {
  readonly httpVersionMajor?: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The whole request has arrived. */
  readonly complete?: boolean
  readonly readableDidRead?: boolean
  readonly readableEnded?: boolean
  /** How much of it lies there and was not read. */
  readonly readableLength?: number
  /** Of HTTP/2, whose requests are `complete` only once they were read. */
  readonly stream?: { readonly readableEnded?: boolean } | undefined
  /** Its bytes, where a parser in front kept them: some servers go by these rather than by what was parsed. */
  readonly rawBody?: unknown
  on(event: 'readable' | 'end' | 'close' | 'error', listener: () => void): unknown
  removeListener(event: 'readable' | 'end' | 'close' | 'error', listener: () => void): unknown
  read(): Uint8Array | string | null
  unshift(chunk: Uint8Array): void
}

/**
 * Reads what a request asks: from what a parser in front made of its body, or else from the stream, which can be read once
 * more afterwards.
 */
export async function readNodeBody(
  request: NodeBody,
  parsed: unknown,
  largest: number,
): Promise<RpcBody | RpcFault> {
  if (!mayHaveBody(request)) return nothingAsked
  const { 'content-type': type, 'content-encoding': encoding } = request.headers
  if (!isUnread(request)) {
    if (request.rawBody instanceof Uint8Array) {
      return isPlainJson(one(type), undefined) ? readKept(request.rawBody, parsed) : notJson
    }
    return parsed === undefined ? bodyUsed : readRpcParsed(parsed)
  }
  const bytes = await readBytes(request, largest)
  if (!bytes) return tooLarge
  if (bytes.length === 0) return nothingAsked
  return isPlainJson(one(type), one(encoding)) ? readRpcBytes(bytes) : notJson
}

/** A server may go by the bytes or by what was parsed of them, which middleware may have changed since: both must ask the same. */
function readKept(bytes: Uint8Array, parsed: unknown): RpcBody | RpcFault {
  const kept = readRpcBytes(bytes)
  if (parsed === undefined) return kept
  return canonicalJson(kept) === canonicalJson(readRpcParsed(parsed)) ? kept : bodyChanged
}

const one = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value

/** How long the bodies are that were put back: a second guard on the way finds one as the first did, until somebody reads it. */
const putBack = new WeakMap<NodeBody, number>()

const isUnread = (request: NodeBody): boolean =>
  !(request.readableDidRead || request.readableEnded) ||
  (request.readableLength !== undefined && request.readableLength === putBack.get(request))

/** RFC 9112 section 6.3; whatever the method. HTTP/2 says nothing of the bodies it has. */
function mayHaveBody({ httpVersionMajor = 1, headers }: NodeBody): boolean {
  if (httpVersionMajor > 1) return true
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}

/** The bytes of a stream that is put back before anybody is told that it ended; undefined where there are too many. */
async function readBytes(request: NodeBody, largest: number): Promise<Uint8Array | undefined> {
  return await new Promise((resolve) => {
    const parts: Uint8Array[] = []
    let size = 0
    const settle = (bytes: Uint8Array | undefined) => {
      for (const [event, listener] of listeners) request.removeListener(event, listener)
      resolve(bytes)
    }
    const drain = () => {
      for (let part = request.read(); part !== null; part = request.read()) {
        const bytes = typeof part === 'string' ? new TextEncoder().encode(part) : part
        parts.push(bytes)
        size += bytes.length
        if (size > largest) return settle(undefined)
      }
      if (request.complete !== true && request.stream?.readableEnded !== true) return
      const bytes = concat(parts)
      // Its end is told only once it is read empty in another turn.
      if (size > 0) {
        request.unshift(bytes)
        putBack.set(request, size)
      }
      settle(bytes)
    }
    const stop = () => settle(concat(parts))
    const listeners = [
      ['readable', drain],
      ['end', stop],
      ['close', stop],
      ['error', stop],
    ] as const
    for (const [event, listener] of listeners) request.on(event, listener)
  })
}
