import dns from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { type AddressScope, addressScope, isLoopbackHost, literalAddress } from './address.ts'
import { FetchError } from './fetch-error.ts'
import type { UrlRules } from './upstream-url.ts'

/** Makes the connections to hosts of one kind, and keeps them for a while. */
export type ConnectionPool = { http: http.Agent; https: https.Agent }

/** The pool for a URL; throws `FetchError` where its host spells an address that is out of bounds. */
export type FindPool = (url: URL, privateHosts: ReadonlySet<string> | undefined) => ConnectionPool

export type ConnectionOptions = UrlRules & {
  /** Finds the addresses of a name; the system's way unless said. */
  lookup?: LookupFunction
}

/**
 * Connections only to addresses that were checked. Checking and connecting are one act: a name's addresses are judged
 * as they are found, and the connection is handed those and no others. Hosts an administrator named may be private;
 * names of this machine are reached only in development, and lead nowhere else.
 */
export function createConnections({
  allowLoopback,
  lookup = dns.lookup as LookupFunction,
}: ConnectionOptions): FindPool {
  // A kept connection is used again only under the rule it was made under.
  const pools = {
    public: createPool(guardedLookup(lookup, reachable.public)),
    named: createPool(guardedLookup(lookup, reachable.named)),
    loopback: createPool(guardedLookup(lookup, reachable.loopback)),
  }
  return (url, privateHosts) => {
    const kind = isLoopbackHost(url.hostname) ? 'loopback' : privateHosts?.has(url.host) ? 'named' : 'public'
    // No name is looked up for an address, so nothing but this judges it.
    const address = literalAddress(url.hostname)
    const isOutOfBounds = address !== undefined && !reachable[kind].includes(addressScope(address))
    if (isOutOfBounds || (kind === 'loopback' && !allowLoopback)) throw refusal(url.hostname)
    return pools[kind]
  }
}

const reachable: Record<'public' | 'named' | 'loopback', readonly AddressScope[]> = {
  public: ['public'],
  named: ['public', 'private'],
  loopback: ['loopback'],
}

function createPool(lookup: LookupFunction): ConnectionPool {
  // Idle connections end before most servers drop them, so that few requests meet one that is closing.
  const settings = { keepAlive: true, timeout: 4_000, maxFreeSockets: 16, lookup }
  return { http: new http.Agent(settings), https: new https.Agent({ ...settings, minVersion: 'TLSv1.2' }) }
}

function guardedLookup(lookup: LookupFunction, scopes: readonly AddressScope[]): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, [])
      const candidates = Array.isArray(found) ? found : []
      const addresses = candidates.filter(({ address }) => scopes.includes(addressScope(address)))
      const [first] = addresses
      if (!first) return callback(refusal(hostname), [])
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family)
    })
  }
}

function refusal(hostname: string): FetchError {
  return new FetchError('refused_address', `${hostname} is not at an address this gateway talks to`)
}
