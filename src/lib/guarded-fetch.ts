import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import { FetchError } from './fetch-error.ts'
import { type ConnectionOptions, type ConnectionPool, createConnections } from './guarded-connections.ts'
import { checkUpstreamUrl } from './upstream-url.ts'
import { version } from './version.ts'

/**
 * The only way anything leaves this process. The connection goes to the very address that was checked, no redirect
 * is followed, nothing compressed is accepted, and a deadline and a byte limit cover the whole answer: what comes
 * back has been read to its end. Throws `FetchError`, or the reason its signal was aborted with.
 */
export type GuardedFetch = (url: string | URL, request?: GuardedRequest) => Promise<Response>

export type GuardedRequest = {
  method?: string
  headers?: Record<string, string>
  body?: string | URLSearchParams
  signal?: AbortSignal
  /** The hosts (with their ports) that may lie on a private network, because an administrator named them. */
  privateHosts?: ReadonlySet<string>
} & Partial<Limits>

type Limits = {
  /** Seconds for everything: name, connection, TLS, headers and the last byte of the body. */
  deadline: number
  /** Bytes of body. */
  limit: number
}

const defaults: Limits = { deadline: 10, limit: 256 * 1024 }

export function createGuardedFetch(options: ConnectionOptions & Partial<Limits>): GuardedFetch {
  const findPool = createConnections(options)
  return async (input, request = {}) => {
    const fault = checkUpstreamUrl(String(input), options)
    if (fault) throw new FetchError('refused_url', `the URL ${fault}`)
    const url = new URL(input)
    const pool = findPool(url, request.privateHosts)
    const { deadline, limit } = { ...defaults, ...options, ...request }
    const timeout = AbortSignal.timeout(deadline * 1000)
    const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout
    try {
      return await readAnswer(await send(url, request, pool, signal), limit)
    } catch (cause) {
      if (cause instanceof FetchError) throw cause
      if (timeout.aborted) throw new FetchError('deadline', `no answer from ${url.host} in time`, { cause })
      if (request.signal?.aborted) throw request.signal.reason
      throw new FetchError('unreachable', `cannot talk to ${url.host}`, { cause })
    }
  }
}

/** Sends a request; resolves with the head of its answer. */
function send(
  url: URL,
  request: GuardedRequest,
  pool: ConnectionPool,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const isSecure = url.protocol === 'https:'
  const options: RequestOptions = {
    method: request.method ?? 'GET',
    headers: requestHeaders(request),
    agent: isSecure ? pool.https : pool.http,
    signal,
  }
  return new Promise((resolve, reject) => {
    const outgoing = (isSecure ? https : http).request(url, options, resolve)
    outgoing.on('error', reject)
    // Node closes on an answer that upgrades, and then tells neither an error nor that the signal was aborted.
    outgoing.on('close', () => reject(new Error('closed without an answer')))
    outgoing.end(request.body?.toString())
  })
}

function requestHeaders({ headers = {}, body }: GuardedRequest): Record<string, string> {
  const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  const form = { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' }
  return {
    ...(body instanceof URLSearchParams && form),
    ...Object.fromEntries(given),
    // Node says neither length nor encoding for methods that seldom have a body, such as DELETE.
    ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body.toString())) }),
    // An inflated body could not be held to a limit by the bytes that arrive.
    'accept-encoding': 'identity',
    'user-agent': `Coatcheck/${version}`,
  }
}

/** Reads an answer to its end, or gives up its connection. */
async function readAnswer(incoming: IncomingMessage, limit: number): Promise<Response> {
  try {
    const { 'content-encoding': encoding = 'identity', 'content-length': length } = incoming.headers
    if (encoding.trim().toLowerCase() !== 'identity') {
      throw new FetchError('encoded', 'the answer is compressed')
    }
    if (Number(length) > limit) throw tooLarge(limit)
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength
      if (size > limit) throw tooLarge(limit)
      chunks.push(chunk)
    }
    return toResponse(incoming, Buffer.concat(chunks))
  } catch (error) {
    incoming.destroy()
    throw error
  }
}

function tooLarge(limit: number): FetchError {
  return new FetchError('too_large', `the answer is larger than ${limit} bytes`)
}

/** The statuses that carry no body (Fetch standard), for which `Response` takes none. */
const withoutBody = new Set([204, 205, 304])

function toResponse(incoming: IncomingMessage, body: Uint8Array<ArrayBuffer>): Response {
  const status = incoming.statusCode ?? 0
  try {
    const headers = new Headers()
    for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
      for (const value of values) headers.append(name, value)
    }
    return new Response(withoutBody.has(status) ? null : body, { status, headers })
  } catch (cause) {
    throw new FetchError('malformed', 'the answer is not one HTTP allows', { cause })
  }
}
