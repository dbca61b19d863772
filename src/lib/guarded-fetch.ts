import dns from 'node:dns'
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { type AddressScope, addressScope, isLoopbackHost, literalAddress } from './address.ts'
import { checkUpstreamUrl, type UrlRules } from './upstream-url.ts'
import { version } from './version.ts'

/**
 * The only way anything leaves this process. The connection goes to the very address that was checked, no redirect
 * is followed, nothing compressed is accepted, and a deadline and a byte limit cover the whole answer: what comes
 * back has been read to its end.
 */
export type GuardedFetch = (url: string | URL, init?: GuardedRequest) => Promise<Response>

export type GuardedRequest = {
  method?: string
  headers?: Record<string, string>
  body?: string | URLSearchParams | Uint8Array | null | undefined
  signal?: AbortSignal | undefined
  /** The hosts (with their ports) that may lie on a private network, because an administrator named them. */
  privateHosts?: ReadonlySet<string>
  /** Seconds for everything: name, connection, TLS, headers and the last byte of the body. */
  deadline?: number
  /** Bytes of body. */
  limit?: number
}

export type GuardedFetchOptions = UrlRules & {
  deadline?: number
  limit?: number
  /** Finds the addresses of a name; the system's way unless said. */
  lookup?: LookupFunction
}

/**
 * - `refused_url`, `refused_address`: nothing was sent.
 * - `deadline`, `too_large`, `encoded`, `malformed`: the answer was not taken.
 * - `unreachable`: name, connection or TLS failed, or the connection broke.
 */
export type FetchErrorCode =
  | 'refused_url'
  | 'refused_address'
  | 'deadline'
  | 'too_large'
  | 'encoded'
  | 'malformed'
  | 'unreachable'

/** Why there is no answer. The message names no more of the URL than its host. */
export class FetchError extends Error {
  override name = 'FetchError'
  readonly code: FetchErrorCode

  constructor(code: FetchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export const defaultDeadline = 10
export const defaultLimit = 256 * 1024

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const lookup = options.lookup ?? (dns.lookup as LookupFunction)
  // A connection is used again only under the rule it was made under.
  const pools = {
    public: createPool(guardedLookup(lookup, allowedIn.public)),
    named: createPool(guardedLookup(lookup, allowedIn.named)),
    loopback: createPool(guardedLookup(lookup, allowedIn.loopback)),
  }
  return async (input, request = {}) => {
    const fault = checkUpstreamUrl(String(input), options)
    if (fault) throw new FetchError('refused_url', `the URL ${fault}`)
    const url = new URL(input)
    const pool = choosePool(url, request.privateHosts, options)
    const { deadline = options.deadline ?? defaultDeadline, limit = options.limit ?? defaultLimit } = request
    const timeout = AbortSignal.timeout(deadline * 1000)
    const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout
    try {
      return await exchange(url, request, pools[pool], { signal, limit })
    } catch (cause) {
      if (cause instanceof FetchError) throw cause
      if (timeout.aborted) throw new FetchError('deadline', `no answer from ${url.host} in time`, { cause })
      if (request.signal?.aborted) throw request.signal.reason
      throw new FetchError('unreachable', `cannot talk to ${url.host}`, { cause })
    }
  }
}

type PoolName = 'public' | 'named' | 'loopback'

/** Which rule a host falls under. A literal address is judged here, because no name is ever looked up for it. */
function choosePool(
  url: URL,
  privateHosts: ReadonlySet<string> | undefined,
  { allowLoopback }: UrlRules,
): PoolName {
  const refused = new FetchError('refused_address', `${url.host} is not an address this gateway talks to`)
  if (isLoopbackHost(url.hostname)) {
    if (allowLoopback) return 'loopback'
    throw refused
  }
  const pool = privateHosts?.has(url.host) ? 'named' : 'public'
  const address = literalAddress(url.hostname)
  if (address && !allowedIn[pool].includes(addressScope(address))) throw refused
  return pool
}

const allowedIn: Record<PoolName, readonly AddressScope[]> = {
  public: ['public'],
  named: ['public', 'private'],
  loopback: ['loopback'],
}

type Pool = { http: http.Agent; https: https.Agent }

function createPool(lookup: LookupFunction): Pool {
  // Idle connections end before most servers drop them, so that few requests meet one that is closing.
  const settings = { keepAlive: true, timeout: 4_000, maxFreeSockets: 16, lookup }
  return { http: new http.Agent(settings), https: new https.Agent({ ...settings, minVersion: 'TLSv1.2' }) }
}

/** Hands the connection only those addresses of a name that its pool allows; where none is left, refuses. */
function guardedLookup(lookup: LookupFunction, allowed: readonly AddressScope[]): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, [])
      const addresses = (typeof found === 'string' ? [] : found).filter(({ address }) =>
        allowed.includes(addressScope(address)),
      )
      const [first] = addresses
      if (!first)
        return callback(
          new FetchError('refused_address', `${hostname} has no address this gateway talks to`),
          [],
        )
      if (options.all) return callback(null, addresses)
      return callback(null, first.address, first.family)
    })
  }
}

type Limits = { signal: AbortSignal; limit: number }

function exchange(
  url: URL,
  request: GuardedRequest,
  pool: Pool,
  { signal, limit }: Limits,
): Promise<Response> {
  const secure = url.protocol === 'https:'
  const options: RequestOptions = {
    method: request.method ?? 'GET',
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port || undefined,
    path: `${url.pathname}${url.search}`,
    headers: requestHeaders(request),
    agent: secure ? pool.https : pool.http,
    signal,
  }
  return new Promise((resolve, reject) => {
    const outgoing = (secure ? https : http).request(options, (incoming) => {
      readAnswer(incoming, limit).then(resolve, (error) => {
        outgoing.destroy()
        reject(error)
      })
    })
    outgoing.on('error', reject)
    outgoing.end(request.body instanceof URLSearchParams ? request.body.toString() : request.body)
  })
}

function requestHeaders(request: GuardedRequest): Record<string, string> {
  const given = Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
  return {
    ...(request.body instanceof URLSearchParams && {
      'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
    }),
    ...Object.fromEntries(given),
    // An inflated body could not be held to a limit by the bytes that arrive.
    'accept-encoding': 'identity',
    'user-agent': `Coatcheck/${version}`,
  }
}

async function readAnswer(incoming: IncomingMessage, limit: number): Promise<Response> {
  const encoding = incoming.headers['content-encoding'] ?? 'identity'
  if (encoding.trim().toLowerCase() !== 'identity')
    throw new FetchError('encoded', 'the answer is compressed')
  if (Number(incoming.headers['content-length'] ?? 0) > limit) throw tooLarge(limit)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > limit) throw tooLarge(limit)
    chunks.push(chunk)
  }
  return toResponse(incoming, Buffer.concat(chunks))
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
