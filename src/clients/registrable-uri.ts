/** What may be registered as a redirect URI, or as a page about a client. Decided on the string as it is. */

const maxLength = 2_048

/**
 * Private-use schemes without a dot that a known MCP client registered with the operating system. RFC 8252
 * section 7.1 wants a reversed domain name, which every scheme with a dot is taken for.
 */
export const knownAppSchemes: readonly string[] = [
  'antigravity',
  'claude',
  'code-oss',
  'cursor',
  'goose',
  'jetbrains',
  'kiro',
  'lmstudio',
  'raycast',
  'vscode',
  'vscode-insiders',
  'vscodium',
  'warp',
  'windsurf',
  'zed',
]

/** Never, whatever a list says: these run code, read local content or are not navigation at all. */
const refusedSchemes = new Set([
  'about',
  'blob',
  'chrome',
  'content',
  'data',
  'file',
  'filesystem',
  'ftp',
  'intent',
  'javascript',
  'jar',
  'mailto',
  'ms-appx',
  'ms-appx-web',
  'res',
  'resource',
  'sms',
  'tel',
  'urn',
  'vbscript',
  'view-source',
  'ws',
  'wss',
])

/** Answers of the authorization endpoint: a URI that brings its own could answer in our name (RFC 9207). */
const answerParameters = ['code', 'state', 'iss', 'error', 'error_description', 'error_uri']

const outsideUri = /[^A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})/
const schemeShape = /^([a-z][a-z0-9+.-]*):\//
const authorityShape = /^[a-z][a-z0-9+.-]*:\/\/([^/?]*)/
const loopbackHosts = new Set(['127.0.0.1', '[::1]', 'localhost'])

/** Why this must not be a redirect URI, in words for a developer; undefined if it may be one. */
export function redirectUriFault(
  uri: string,
  appSchemes: readonly string[] = knownAppSchemes,
): string | undefined {
  const fault = commonFault(uri)
  if (fault) return fault
  if (uri.includes('*')) return 'must not contain a wildcard'
  const scheme = schemeOf(uri)
  if (scheme !== 'http' && scheme !== 'https') {
    const allowed = scheme.includes('.') || appSchemes.includes(scheme)
    if (!allowed) return 'has a scheme that is not allowed here'
  } else {
    const webFault = webUriFault(uri)
    if (webFault) return webFault
  }
  const [, query = ''] = uri.split(/\?(.*)/s)
  const names = new URLSearchParams(query)
  return answerParameters.some((name) => names.has(name))
    ? 'must not bring parameters of an authorization response'
    : undefined
}

/** Why this must not be linked to as a page of a client: https only, or http on this machine. */
export function webUriFault(uri: string): string | undefined {
  const fault = commonFault(uri)
  if (fault) return fault
  const scheme = schemeOf(uri)
  const parsed = URL.parse(uri)
  const host = authorityShape.exec(uri)?.[1]?.replace(/:[0-9]*$/, '')
  if (scheme !== 'http' && scheme !== 'https') return 'must be an https URI'
  // A host that the parser spells differently (`2130706433`, `0x7f.1`, `[::ffff:7f00:1]`) is not what it seems.
  if (!host || parsed?.hostname !== host.toLowerCase()) return 'has no plain host'
  if (scheme === 'http' && !loopbackHosts.has(host)) return 'must be https, or http on the loopback interface'
  return undefined
}

function commonFault(uri: string): string | undefined {
  if (uri === '' || uri.length > maxLength) return `must have 1 to ${maxLength} characters`
  if (uri.includes('#')) return 'must not have a fragment'
  if (outsideUri.test(uri)) return 'has characters that a URI must not have'
  if (schemeOf(uri) === '') return 'must be absolute, with a scheme in lower case and a slash after it'
  if (refusedSchemes.has(schemeOf(uri))) return 'has a scheme that is never allowed'
  if (authorityShape.exec(uri)?.[1]?.includes('@')) return 'must not have userinfo'
  if (!URL.canParse(uri)) return 'is not a URI'
  return undefined
}

function schemeOf(uri: string): string {
  return schemeShape.exec(uri)?.[1] ?? ''
}
