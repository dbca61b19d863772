import { isLoopbackHost } from './address.ts'

/** Whether http is spoken to this machine; for development and tests. */
export type UrlRules = { readonly allowLoopback: boolean }

/** Why a URL is none this gateway would send a request to, or nothing. Says nothing about what its host resolves to. */
export function checkUpstreamUrl(text: string, { allowLoopback }: UrlRules): string | undefined {
  const url = URL.parse(text)
  if (!url) return 'is not a URL'
  if (url.username || url.password) return 'must not hold a user name or password'
  if (text.includes('#')) return 'must not have a fragment'
  if (url.protocol === 'https:') return undefined
  if (url.protocol === 'http:' && isLoopbackHost(url.hostname)) {
    return allowLoopback ? undefined : 'must be https (http on loopback is not allowed here)'
  }
  return 'must be https'
}
