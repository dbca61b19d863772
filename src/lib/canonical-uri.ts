const maxLength = 2_048
const shape = /^(https?):\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]*)?(\/[^?]*)?(\?.*)?$/i
const outsideUri = /[^A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})/
const dotSegment = /^(?:\.|%2e){1,2}$/i

/**
 * The one spelling of a resource's URI (RFC 8707 section 2) that is stored, compared and put in `aud`: absolute
 * http(s), scheme and host in lower case, no default port, no slash for an empty path; path and query are left
 * as they are, since only the resource knows what they mean. Undefined for what has no such spelling: a fragment
 * (a bare `#` too), userinfo, dot segments, and hosts that a URL parser would rewrite into another one.
 */
export function canonicalUri(uri: string): string | undefined {
  if (uri.length > maxLength || outsideUri.test(uri)) return undefined
  const [, scheme, host, port, path = '', query = ''] = shape.exec(uri) ?? []
  if (!scheme || !host || path.split('/').some((segment) => dotSegment.test(segment))) return undefined
  const origin = `${scheme}://${host}${port ?? ''}`.toLowerCase()
  const parsed = URL.parse(origin)
  if (parsed?.hostname !== host.toLowerCase()) return undefined
  return `${parsed.protocol}//${parsed.host}${path === '/' ? '' : path}${query}`
}

/** Whether both name the same resource; what has no canonical form names none. */
export function sameResource(left: string, right: string): boolean {
  const canonical = canonicalUri(left)
  return canonical !== undefined && canonical === canonicalUri(right)
}
