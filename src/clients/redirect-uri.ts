/** Where a redirect URI sends the browser, as a person should see it. Loopback and web hosts come with their port. */
export type RedirectKind =
  | { readonly kind: 'web'; readonly host: string }
  | { readonly kind: 'loopback'; readonly host: string }
  | { readonly kind: 'app'; readonly scheme: string }

const loopback = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::([1-9][0-9]{0,4}))?((?:[/?][^#]*)?)$/
const web = /^https?:\/\/([^/?#]*)/i

/**
 * Whether a presented redirect URI is a registered one: byte for byte (RFC 9700 section 4.1.3), except for the
 * port of a loopback URI (RFC 8252 section 7.3). Decided on the strings as they are: a URL parser turns `127.1`,
 * `HTTP://` or a backslash into something that was never registered.
 */
export function matchesRedirectUri(registered: readonly string[], presented: string): boolean {
  if (registered.includes(presented)) return true
  const wanted = loopbackParts(presented)
  return wanted !== undefined && registered.some((uri) => equalButForPort(loopbackParts(uri), wanted))
}

/** For a registered redirect URI. */
export function redirectKind(uri: string): RedirectKind {
  const local = loopbackParts(uri)
  if (local) return { kind: 'loopback', host: local.port ? `${local.host}:${local.port}` : local.host }
  const host = web.exec(uri)?.[1]
  return host === undefined ? { kind: 'app', scheme: uri.split(':', 1)[0] ?? '' } : { kind: 'web', host }
}

/**
 * The redirect URI with the answer's parameters at the end of its query; its own query stays as it was
 * registered. Absent parameters are left out; values arrive exactly as given, and none can begin another one.
 */
export function buildRedirect(uri: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const added = Object.entries(parameters)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`)
    .join('&')
  if (added === '') return uri
  if (!uri.includes('?')) return `${uri}?${added}`
  // A second question mark belongs to a value, which would swallow what follows it.
  const isOpen = uri.endsWith('&') || uri.indexOf('?') === uri.length - 1
  return isOpen ? `${uri}${added}` : `${uri}&${added}`
}

type LoopbackParts = { readonly host: string; readonly port: string | undefined; readonly rest: string }

/** `127.0.0.1`, `[::1]` and `localhost` in exactly this spelling, over http; nothing else is loopback. */
function loopbackParts(uri: string): LoopbackParts | undefined {
  const [, host, port, rest] = loopback.exec(uri) ?? []
  if (host === undefined || rest === undefined || Number(port ?? 0) > 65_535) return undefined
  return { host, port, rest }
}

function equalButForPort(registered: LoopbackParts | undefined, presented: LoopbackParts): boolean {
  return registered?.host === presented.host && registered.rest === presented.rest
}
