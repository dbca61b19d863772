export type RegisteredRedirect = { uri: string; match: 'exact' | 'wildcard' }

const loopback = new Set(['127.0.0.1', '[::1]'])

function hostMatches(registered: URL, requested: URL): boolean {
  if (loopback.has(registered.hostname)) return registered.hostname === requested.hostname
  return requested.host === registered.host || requested.host.endsWith(`.${registered.host}`)
}

/** Any sub-domain and any sub-path; the port must be the same, except on a loopback address. */
function wildcardMatches(registered: URL, requested: URL): boolean {
  const path = registered.pathname.replace(/\/$/, '')
  return (
    registered.protocol === requested.protocol &&
    hostMatches(registered, requested) &&
    (requested.pathname === registered.pathname || requested.pathname.startsWith(`${path}/`))
  )
}

export function redirectAllowed(registered: RegisteredRedirect[], requested: string): boolean {
  return registered.some(({ uri, match }) => {
    if (match === 'exact') return uri === requested
    return URL.canParse(requested) && wildcardMatches(new URL(uri), new URL(requested))
  })
}
