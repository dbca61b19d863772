import { boundedFetch, type JsonObject, parseObject } from './bounded-fetch.ts'
import { type Loaded, remembered } from './remembered.ts'
import { isSecureUrl } from './secure-url.ts'
import type { AuthorizationServer, Outside } from './settings.ts'

/** What an authorization server says of itself (RFC 8414 section 2), as far as it was looked at. */
export type ServerMetadata = JsonObject & {
  readonly issuer: string
  readonly jwks_uri?: string
  readonly introspection_endpoint?: string
}

const documentBytes = 256 * 1024
const lifetimes = { fresh: 3600, stale: 24 * 3600, failed: 5 }

/** Where the metadata of an issuer may lie, in the order in which MCP clients look. */
export function discoveryUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const urls = [
    // RFC 8414 section 3.1: inserted between host and path.
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    // OpenID Connect Discovery section 4: appended.
    `${origin}${path}/.well-known/openid-configuration`,
  ]
  return [...new Set(urls)]
}

/** The metadata of one server, found when it is first needed and looked up again from time to time. */
export function discovery(
  server: AuthorizationServer,
  outside: Outside,
): () => Promise<Loaded<ServerMetadata>> {
  if (server.metadata) {
    const given = accept(server, server.metadata)
    return async () => given
  }
  const urls = server.metadataUrl === undefined ? discoveryUrls(server.issuer) : [server.metadataUrl]
  return remembered(() => look(server, urls, outside), lifetimes, outside.clock)
}

async function look(
  server: AuthorizationServer,
  urls: readonly string[],
  { fetch, deadline }: Outside,
): Promise<Loaded<ServerMetadata>> {
  for (const url of urls) {
    const init = { headers: { accept: 'application/json' } }
    const fetched = await boundedFetch(fetch, url, init, { deadline, bytes: documentBytes })
    if (fetched.outcome === 'failed') return unavailable(`metadata_${fetched.reason}`)
    if (fetched.status >= 500) return unavailable('metadata_unreachable')
    if (fetched.status !== 200) continue
    // Some sites answer 200 with a page to whatever they do not know.
    const document = parseObject(fetched.text)
    if (document) return accept(server, document)
  }
  return unavailable('metadata_not_found')
}

function accept(server: AuthorizationServer, document: JsonObject): Loaded<ServerMetadata> {
  const told = server.transpileMetadata?.(document) ?? document
  // RFC 8414 section 3.3: of another issuer, nothing is to be believed.
  if (told.issuer !== server.issuer) return unavailable('issuer_mismatch')
  const { issuer, jwks_uri, introspection_endpoint } = told
  if (!isEndpoint(jwks_uri) || !isEndpoint(introspection_endpoint)) return unavailable('metadata_invalid')
  const value: ServerMetadata = {
    ...told,
    issuer,
    ...(jwks_uri === undefined ? {} : { jwks_uri }),
    ...(introspection_endpoint === undefined ? {} : { introspection_endpoint }),
  }
  return { outcome: 'loaded', value }
}

const isEndpoint = (value: unknown): value is string | undefined =>
  value === undefined || (typeof value === 'string' && isSecureUrl(value))

const unavailable = (reason: string) => ({ outcome: 'unavailable', reason }) as const
