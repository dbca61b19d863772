/** RFC 6749 section 3.3. */
const scopeToken = /^[\x21\x23-\x5B\x5D-\x7E]+$/

export const isScopeToken = (text: string): boolean => scopeToken.test(text)

/** A scope that opens others with it, as `notes.write` opens `notes.read`. */
export type ImpliedScopes = Readonly<Record<string, readonly string[]>>

/**
 * The scopes of a token, wherever its issuer writes them: `scope` (RFC 9068 section 2.2.3), else `scopes`, else
 * `scp`; as text or as a list.
 */
export function scopesOf(claims: Readonly<Record<string, unknown>>): string[] {
  const value = claims.scope ?? claims.scopes ?? claims.scp
  const listed = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : []
  return [
    ...new Set(listed.filter((scope): scope is string => typeof scope === 'string' && isScopeToken(scope))),
  ]
}

/** Which of the required scopes are not granted, neither by name nor by one that implies them. */
export function missingScopes(
  granted: readonly string[],
  required: readonly string[],
  implied: ImpliedScopes = {},
): string[] {
  const reached = new Set(granted)
  // A set hands out what is added to it while it is walked.
  for (const scope of reached) {
    if (Object.hasOwn(implied, scope)) for (const more of implied[scope] ?? []) reached.add(more)
  }
  return required.filter((scope) => !reached.has(scope))
}

/**
 * What a client should ask for to get further: what is needed, and what it already holds, because some clients
 * ask for the challenged scopes alone and would lose the others. `offline_access` is between a client and its
 * authorization server.
 */
export function scopesToAsk(required: readonly string[], granted: readonly string[] = []): string[] {
  return [...new Set([...required, ...granted])].filter((scope) => scope !== 'offline_access')
}
