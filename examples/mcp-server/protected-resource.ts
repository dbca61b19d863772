import type { Settings } from './settings.ts'
import { toolScopes } from './tools.ts'

/** What tells an MCP client that Coatcheck guards this MCP server (RFC 9728), and what to ask it for. */
export function describeResource({ issuer, url }: Settings) {
  const { origin, pathname } = new URL(url)
  const root = '/.well-known/oauth-protected-resource'
  const scopes = [...toolScopes.values()]
  return {
    metadata: {
      resource: url,
      authorization_servers: [issuer],
      scopes_supported: scopes,
      bearer_methods_supported: ['header'],
    },
    /** Clients look in either place. */
    metadataPaths: [root + pathname, root],
    /** The `WWW-Authenticate` header of a refusal (RFC 6750 section 3). */
    challenge({ error, scope = scopes }: { error?: string | undefined; scope?: string[] }): string {
      const parameters = [
        ...(error === undefined ? [] : [`error="${error}"`]),
        `scope="${scope.join(' ')}"`,
        `resource_metadata="${origin}${root}${pathname}"`,
      ]
      return `Bearer ${parameters.join(', ')}`
    },
  }
}
