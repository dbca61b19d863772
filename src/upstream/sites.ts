import type { Provider } from './provider.ts'
import type { Server } from './server.ts'
import type { UpstreamTokens } from './tokens.ts'
import { failureOfException } from './upstream-error.ts'
import { createAskApi, readJson } from './userinfo.ts'

/** `unknown`: the provider has no sites, these scopes need none, or it does not say right now. */
export type SitesOpened = 'some' | 'none' | 'unknown'

/** Whether fresh tokens open any site at all with these scopes. Only the provider's own empty list says none. */
export async function findSites(
  { descriptor }: Provider,
  server: Server,
  { accessToken }: Pick<UpstreamTokens, 'accessToken'>,
  scopes: readonly string[],
): Promise<SitesOpened> {
  const { sites } = descriptor
  const useless = [...descriptor.scopes.identity, ...descriptor.scopes.offline, ...(sites?.not_for ?? [])]
  if (!sites || scopes.every((scope) => useless.includes(scope))) return 'unknown'
  try {
    const response = await createAskApi(descriptor, server, accessToken)(sites.url)
    const opened = response.status === 200 ? await readJson(response) : undefined
    if (!Array.isArray(opened)) return 'unknown'
    return opened.length === 0 ? 'none' : 'some'
  } catch (error) {
    failureOfException(error, { kind: 'transient', code: 'malformed_answer' })
    return 'unknown'
  }
}
