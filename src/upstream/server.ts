import * as oidc from 'openid-client'
import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import type { GuardedFetch } from '../lib/guarded-fetch.ts'
import { checkUpstreamUrl, type UrlRules } from '../lib/upstream-url.ts'
import type { Descriptor } from './descriptor.ts'
import type { Provider } from './provider.ts'
import { namedHosts } from './resolve-descriptor.ts'
import type { UpstreamFailed, UpstreamFailure } from './tokens.ts'
import { failureOfException, UpstreamError } from './upstream-error.ts'

/** A provider's endpoints, from its descriptor and where that is silent from its metadata document. */
export type Server = {
  metadata: ServerMetadata
  /** Reaches this provider: hosts an administrator named may be private, hosts its metadata named may not. */
  fetch: GuardedFetch
  /** The keys its ID tokens were last verified with; openid-client decides how long they are good. */
  jwks?: oidc.ExportedJWKSCache
}

/** What speaking to providers needs of the world. `discoveryDeadline`: seconds for a metadata document. */
export type UpstreamParts = UrlRules & { fetch: GuardedFetch; clock: Clock; discoveryDeadline: number }

export type ServerMetadata = z.output<typeof metadataSchema>

export type FindServer = (
  provider: Provider,
) => Promise<{ outcome: 'server'; server: Server } | UpstreamFailed>

/** Whether tokens of this token endpoint are this server's: they never go to another host than they came from. */
export function isFrom({ metadata }: Server, tokenEndpoint: string): boolean {
  return URL.parse(tokenEndpoint)?.origin === new URL(metadata.token_endpoint).origin
}

/** Seconds a metadata document is believed, and seconds until a failed look is tried again. */
const lifetime = 3600
const pause = 30

const metadataLimit = 128 * 1024

const metadataSchema = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  userinfo_endpoint: z.string().exactOptional(),
  jwks_uri: z.string().exactOptional(),
  revocation_endpoint: z.string().exactOptional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).exactOptional(),
  id_token_signing_alg_values_supported: z.array(z.string()).exactOptional(),
  // Only ever told to administrators: nobody is locked out because it is malformed.
  scopes_supported: z.array(z.string()).catch([]).exactOptional(),
})

/**
 * Finds providers' servers. Metadata is read when it is first needed, once at a time, and again after an hour; while
 * it cannot be read, what was read before goes on. What is known hangs on the descriptor: a changed provider has a
 * new one, and starts afresh.
 */
export function createFindServer(parts: UpstreamParts): FindServer {
  const { fetch, clock } = parts
  const known = new WeakMap<Descriptor, Known>()

  return async ({ descriptor }) => {
    const entry = known.get(descriptor) ?? begin(descriptor)
    if (clock() >= entry.lookAgainAt) {
      entry.look ??= look(descriptor, entry).finally(() => {
        delete entry.look
      })
      await entry.look
    }
    if (entry.server) return { outcome: 'server', server: entry.server }
    return { outcome: 'failed', failure: entry.failure }
  }

  function begin(descriptor: Descriptor): Known {
    const entry: Known = { lookAgainAt: 0, failure: { kind: 'transient', code: 'metadata_unavailable' } }
    if (descriptor.server.discovery === 'none') {
      entry.server = { metadata: metadataSchema.parse(descriptor.server), fetch: reach(descriptor) }
      entry.lookAgainAt = Number.POSITIVE_INFINITY
    }
    known.set(descriptor, entry)
    return entry
  }

  async function look(descriptor: Descriptor, entry: Known): Promise<void> {
    const serverFetch = reach(descriptor)
    try {
      const metadata = await discover(descriptor, serverFetch, parts)
      entry.server = { ...entry.server, metadata, fetch: serverFetch }
      entry.lookAgainAt = clock() + lifetime
    } catch (error) {
      entry.failure = failureOfException(error, { kind: 'config', code: 'metadata_invalid' })
      entry.lookAgainAt = clock() + pause
    }
  }

  function reach(descriptor: Descriptor): GuardedFetch {
    const privateHosts = namedHosts(descriptor)
    return (url, request) => fetch(url, { privateHosts, ...request })
  }
}

type Known = { server?: Server; failure: UpstreamFailure; lookAgainAt: number; look?: Promise<void> }

/** Reads the metadata document (OpenID Connect Discovery, RFC 8414); what the descriptor says goes before it. */
async function discover(
  { server }: Descriptor,
  fetch: GuardedFetch,
  parts: UpstreamParts,
): Promise<ServerMetadata> {
  const { discovery: algorithm, issuer: _, ...said } = server
  const configuration = await oidc.discovery(new URL(server.issuer), 'none', undefined, oidc.None(), {
    algorithm: algorithm === 'oauth' ? 'oauth2' : 'oidc',
    timeout: 0,
    // Whether http is spoken at all is for the guarded fetch to say.
    execute: [oidc.allowInsecureRequests],
    [oidc.customFetch]: (url, { headers }) =>
      fetch(url, { headers, deadline: parts.discoveryDeadline, limit: metadataLimit }),
  })
  const metadata = metadataSchema.safeParse({ ...configuration.serverMetadata(), ...said })
  if (!metadata.success || !isSound(metadata.data, server.issuer, parts)) {
    throw new UpstreamError({ kind: 'config', code: 'metadata_invalid' })
  }
  return metadata.data
}

/** An issuer may differ from what an administrator typed by the slash of an empty path alone (RFC 3986 section 6.2.3). */
function isSound(metadata: ServerMetadata, issuer: string, rules: UrlRules): boolean {
  const { authorization_endpoint, token_endpoint, userinfo_endpoint, jwks_uri, revocation_endpoint } =
    metadata
  return (
    URL.parse(metadata.issuer)?.href === URL.parse(issuer)?.href &&
    [authorization_endpoint, token_endpoint, userinfo_endpoint, jwks_uri, revocation_endpoint].every(
      (url) => url === undefined || checkUpstreamUrl(url, rules) === undefined,
    )
  )
}
