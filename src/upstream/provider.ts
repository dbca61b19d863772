import type { Admit } from '../storage/documents.ts'
import type { Descriptor } from './descriptor.ts'

/** One upstream service an administrator set up, ready to be spoken to. */
export type Provider = {
  id: string
  name: string
  descriptor: Descriptor
  clientId: string
  clientSecret: string | undefined
  enabled: boolean
  /** Counts the administrator's changes. */
  version: number
  /** When an administrator last changed it. */
  changedAt: number
  admit: Admit
  /** Digest of what a sign-in rests on: where it leads, as which client, whom it admits, and that it is still there. */
  signInHash: string
  /** The scopes an administrator lets this gateway ask for; absent: what resources list. */
  scopes: string[] | undefined
}

/** The scopes that only tell who the person is, asked for every time. */
export function identityScopes(provider: Provider): readonly string[] {
  return provider.descriptor.scopes.identity
}

export function canSignIn(provider: Provider): boolean {
  return provider.enabled && provider.descriptor.identity.sign_in
}

/** What a scope allows, in words a person understands; the scope itself where nobody wrote them. */
export function scopeLabel(provider: Provider, scope: string): string {
  return entry(provider.descriptor.scopes.catalog, canonical(provider, scope)) ?? scope
}

/** Those of `scopes` that can never be asked for, because the provider breaks on them. */
export function forbiddenScopes(provider: Provider, scopes: readonly string[]): string[] {
  return scopes.filter((scope) => provider.descriptor.scopes.forbidden.includes(scope))
}

/** What to ask for: `scopes`, what identity needs, and for a refresh token what that needs. Never what is forbidden. */
export function requestScopes(
  provider: Provider,
  scopes: readonly string[],
  refreshToken: 'wanted' | 'unwanted',
): string[] {
  const { identity, offline, forbidden } = provider.descriptor.scopes
  const all = new Set([...identity, ...scopes, ...(refreshToken === 'wanted' ? offline : [])])
  return [...all].filter((scope) => !forbidden.includes(scope))
}

/**
 * What the provider granted, in this gateway's spelling, sorted. `answer` is the `scope` of a token answer. Without
 * one the grant is what was requested (RFC 6749 section 5.1); so it is with a provider whose answers say nothing
 * about scopes, since nobody could ever tell that one of them is missing. Scopes that only ask for a refresh token
 * are left out: they open nothing, and providers differ in whether they name them.
 */
export function grantedScopes(
  provider: Provider,
  answer: string | undefined,
  requested: readonly string[],
): string[] {
  const { granted, granted_separators: separators, offline } = provider.descriptor.scopes
  const told = granted === 'unreported' ? undefined : answer
  const held =
    told === undefined
      ? requested
      : separators.reduce((parts, separator) => parts.flatMap((part) => part.split(separator)), [told])
  const spelled = held.filter((scope) => scope !== '').map((scope) => canonical(provider, scope))
  return [...new Set(spelled)].filter((scope) => !offline.includes(scope)).sort()
}

/** Whether what is held suffices, implications and other spellings counted. */
export function covers(provider: Provider, held: readonly string[], needed: readonly string[]): boolean {
  return missingScopes(provider, held, needed).length === 0
}

/** Those of `needed` that what is held does not include; scopes that only ask for a refresh token are never missing. */
export function missingScopes(
  provider: Provider,
  held: readonly string[],
  needed: readonly string[],
): string[] {
  const included = withImplied(provider, held)
  const { offline } = provider.descriptor.scopes
  return needed.filter((scope) => !included.has(canonical(provider, scope)) && !offline.includes(scope))
}

/** What is held beyond what is allowed: neither allowed, nor included in something allowed, nor only identity. */
export function excess(provider: Provider, held: readonly string[], allowed: readonly string[]): string[] {
  const { identity, offline } = provider.descriptor.scopes
  const included = withImplied(provider, [...identity, ...offline, ...allowed])
  return held.filter((scope) => !included.has(canonical(provider, scope)))
}

function withImplied(provider: Provider, scopes: readonly string[]): ReadonlySet<string> {
  const included = new Set(scopes.map((scope) => canonical(provider, scope)))
  // A set yields what is added while it is walked, so this follows implications of implications.
  for (const scope of included) {
    for (const implied of entry(provider.descriptor.scopes.implies, scope) ?? []) included.add(implied)
  }
  return included
}

function canonical(provider: Provider, scope: string): string {
  return entry(provider.descriptor.scopes.aliases, scope) ?? scope
}

/** Scopes come from outside, and `constructor` is one too. */
function entry<Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
