export const protectedResourcePath = '/.well-known/oauth-protected-resource'

/**
 * The one spelling of a resource (RFC 8707, RFC 3986 section 6.2): scheme and host in lower case, no default port,
 * and no slash where there is no path. A path keeps its last slash: the URL that clients are given has it too.
 */
export function canonicalResource(uri: string): string {
  const url = new URL(uri)
  return url.pathname === '/' ? url.origin + url.search : url.href
}

/** Where a client that follows RFC 9728 section 3.1 looks for the metadata of a resource. */
export function metadataUrl(resource: string): string {
  const { origin, pathname, search } = new URL(resource)
  return origin + protectedResourcePath + (pathname === '/' ? '' : pathname) + search
}

/**
 * Whether an audience names this resource. Clients write `https://host` and `https://host/`, `/mcp` and `/mcp/` for
 * the same server, and authorization servers repeat what they are told: one slash at the end makes no difference.
 * An audience that is no URL must be the same text.
 */
export function sameResource(audience: string, resource: string): boolean {
  return comparable(audience) === comparable(resource)
}

function comparable(uri: string): string {
  if (!URL.canParse(uri)) return uri
  const { protocol, username, password, host, pathname, search, hash } = new URL(uri)
  const path = pathname.endsWith('/') ? pathname.slice(0, -1) : pathname
  return JSON.stringify([protocol, username, password, host, path, search, hash])
}

/** Whether the `aud` claim (RFC 7519 section 4.1.3) names one of the audiences. */
export function namesAudience(claim: unknown, audiences: readonly string[]): boolean {
  const named: unknown[] = Array.isArray(claim) ? claim : [claim]
  return named.some(
    (name) => typeof name === 'string' && audiences.some((audience) => sameResource(name, audience)),
  )
}
