/** Asks for a refresh token (OpenID Connect Core section 11); a scope of the gateway, never of a resource. */
export const offlineAccess = 'offline_access'

const scopeText = /^[\x20\x21\x23-\x5B\x5D-\x7E]*$/

/** The scopes of an RFC 6749 section 3.3 string, each once, in the order given; undefined for other characters. */
export function parseScope(text: string): string[] | undefined {
  if (!scopeText.test(text)) return undefined
  return [...new Set(text.split(' ').filter((scope) => scope !== ''))]
}

export function formatScope(scopes: readonly string[]): string {
  return scopes.join(' ')
}

export type ScopeRequest = {
  /** What the client asked for; absent or empty: nothing in particular. */
  readonly requested: readonly string[] | undefined
  /** What there is to ask for at this resource, `offline_access` among it where the gateway offers it. */
  readonly offered: readonly string[]
  /** What is given to who asks for nothing we know. */
  readonly defaults: readonly string[]
}

export type ScopeAnswer =
  | { readonly outcome: 'granted'; readonly scopes: string[] }
  | { readonly outcome: 'invalid_scope' }

/**
 * Real clients ask for too much (`openid profile`, a whole catalogue), so what is unknown is dropped. Asking for
 * nothing that is known gives the defaults, and fails only where there are scopes to ask for and no defaults: at
 * a resource without scopes an empty grant is all there is. `offline_access` neither counts as something known
 * nor comes by default. The answer is in the order of `offered` and never holds anything else.
 */
export function grantScopes({ requested = [], offered, defaults }: ScopeRequest): ScopeAnswer {
  const ofResource = offered.filter((scope) => scope !== offlineAccess)
  const known = ofResource.filter((scope) => requested.includes(scope))
  const scopes = known.length > 0 ? known : ofResource.filter((scope) => defaults.includes(scope))
  if (scopes.length === 0 && requested.some((scope) => scope !== offlineAccess) && ofResource.length > 0) {
    return { outcome: 'invalid_scope' }
  }
  const offline = offered.includes(offlineAccess) && requested.includes(offlineAccess)
  return { outcome: 'granted', scopes: offline ? [...scopes, offlineAccess] : scopes }
}

/**
 * The scopes of one access token at refresh (RFC 6749 section 6): all that is held if nothing is requested, fewer
 * if asked, undefined if one of them is not held.
 */
export function narrow(
  requested: readonly string[] | undefined,
  held: readonly string[],
): string[] | undefined {
  if (requested === undefined || requested.length === 0) return [...held]
  if (requested.some((scope) => !held.includes(scope))) return undefined
  return held.filter((scope) => requested.includes(scope))
}
