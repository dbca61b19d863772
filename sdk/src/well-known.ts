import type { ConnectedServer } from './authorization-server.ts'
import { documentRefused, documentResponse, metadataPaths, preflightResponse } from './metadata.ts'

/** A request as far as it matters here; the path may carry its query. */
export type Visit = { readonly method: string; readonly path: string }

export type WellKnown = {
  readonly paths: readonly string[]
  /** Answers requests for documents of discovery, and undefined for every other. */
  answer(visit: Visit): Promise<Response | undefined>
}

const authorizationServerPath = '/.well-known/oauth-authorization-server'
/** Where clients look for documents that need not be here: they must hear "not here" then, not "sign in". */
const looksLikeDiscovery =
  /^\/\.well-known\/(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)(?:\/|$)/

/**
 * Serves the metadata of the resource. With an `authorizationServer`, its metadata too, as clients of the MCP revision
 * 2025-03-26 expect them at the MCP server's own origin.
 */
export function wellKnown(
  resource: string,
  document: unknown,
  authorizationServer: ConnectedServer | undefined,
): WellKnown {
  const own = metadataPaths(resource)

  async function find(path: string): Promise<Response> {
    if (own.includes(path)) return documentResponse(document)
    if (path !== authorizationServerPath || !authorizationServer) return documentRefused(404)
    const found = await authorizationServer.metadata()
    return found.outcome === 'loaded' ? documentResponse(found.value) : documentRefused(503)
  }

  return {
    paths: authorizationServer ? [...own, authorizationServerPath] : own,
    async answer({ method, path: target }) {
      const [path = ''] = target.split('?', 1)
      if (!looksLikeDiscovery.test(path)) return undefined
      if (method === 'OPTIONS') return preflightResponse()
      return method === 'GET' || method === 'HEAD' ? await find(path) : documentRefused(405)
    },
  }
}
