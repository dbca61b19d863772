import { isLoopbackHost } from '../lib/address.ts'

const maxLength = 2_048

/** Whether a client id is meant as the URL of a metadata document; no other client's id looks like one. */
export function isDocumentId(clientId: string): boolean {
  return /^https?:\/\//i.test(clientId)
}

/**
 * The URL a client id names its metadata document by (draft-ietf-oauth-client-id-metadata-document section 3);
 * nothing where it must not. Only a URL in its one form is taken: then there is no port that goes without saying, no
 * dot segment in any spelling, and the id is compared as it is.
 */
export function documentUrl(
  clientId: string,
  { allowLoopback }: { allowLoopback: boolean },
): URL | undefined {
  const url = clientId.length <= maxLength ? URL.parse(clientId) : null
  if (url?.href !== clientId || url.username !== '' || url.password !== '') return undefined
  if (clientId.includes('#') || url.pathname === '/') return undefined
  const isPlain = allowLoopback && url.protocol === 'http:' && isLoopbackHost(url.hostname)
  return url.protocol === 'https:' || isPlain ? url : undefined
}
