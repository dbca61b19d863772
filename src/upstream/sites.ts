import { displayText } from '../lib/display-text.ts'
import type { Site } from '../storage/documents.ts'
import { type Claims, isClaims, textAt } from './claims.ts'
import type { Descriptor } from './descriptor.ts'
import type { Provider } from './provider.ts'
import type { Server } from './server.ts'
import type { UpstreamTokens } from './tokens.ts'
import { failureOfException } from './upstream-error.ts'
import { createAskApi, readJson } from './userinfo.ts'

/**
 * The sites that tokens open with these scopes, each once. Only the provider's own empty list says that there are none;
 * `undefined`: it has no sites, these scopes need none, or it does not say right now.
 */
export type FindSites = (
  provider: Provider,
  tokens: Pick<UpstreamTokens, 'accessToken' | 'tokenEndpoint'>,
  scopes: readonly string[],
  limits?: { deadline?: number },
) => Promise<Site[] | undefined>

/** Whether what these scopes open lies in sites. */
export function needsSite({ descriptor }: Provider, scopes: readonly string[]): boolean {
  const { sites } = descriptor
  const useless = [...descriptor.scopes.identity, ...descriptor.scopes.offline, ...(sites?.not_for ?? [])]
  return sites !== undefined && scopes.some((scope) => !useless.includes(scope))
}

/** Of one person. A longer list is none that this gateway understands. */
const mostSites = 200
const longestAddress = 500

const isSiteId = (id: string) => /^[\x21-\x7E]{1,200}$/.test(id)

export async function findSites(
  provider: Provider,
  server: Server,
  { accessToken }: Pick<UpstreamTokens, 'accessToken'>,
  scopes: readonly string[],
  limits: { deadline?: number } = {},
): Promise<Site[] | undefined> {
  const { descriptor } = provider
  if (!descriptor.sites || !needsSite(provider, scopes)) return undefined
  try {
    const response = await createAskApi(descriptor, server, accessToken, limits)(descriptor.sites.url)
    const listed = response.status === 200 ? await readJson(response) : undefined
    return Array.isArray(listed) ? readSites(descriptor.sites, listed) : undefined
  } catch (error) {
    failureOfException(error, { kind: 'transient', code: 'malformed_answer' })
    return undefined
  }
}

/** All of them or none: a site that was only not understood must not look like one that is gone. */
function readSites(at: SitesAt, listed: readonly unknown[]): Site[] | undefined {
  const sites = new Map<string, Site>()
  for (const entry of listed) {
    const id = isClaims(entry) ? textAt(entry, at.id) : undefined
    if (!isClaims(entry) || id === undefined || !isSiteId(id)) return undefined
    // A provider may list one once for each of its products.
    if (!sites.has(id)) sites.set(id, { id, name: nameOf(at, entry) ?? id, ...addressOf(at, entry) })
  }
  return sites.size > mostSites ? undefined : [...sites.values()]
}

type SitesAt = NonNullable<Descriptor['sites']>

const nameOf = (at: SitesAt, entry: Claims) => displayText(textAt(entry, at.name) ?? '', 100) || undefined

/** MCP servers build their calls from it. */
function addressOf({ address }: SitesAt, entry: Claims): Pick<Site, 'url'> {
  const url = address === undefined ? undefined : URL.parse(textAt(entry, address) ?? '')
  const isUsable = url?.protocol === 'https:' && url.username === '' && url.href.length <= longestAddress
  return isUsable ? { url: url.href.replace(/\/$/, '') } : {}
}
