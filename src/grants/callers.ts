import type { Resource } from '../storage/resources.ts'
import { type ExchangeRefusal, exchangeRefusal } from './exchange-error.ts'

/** What the scopes a person granted at one resource open at another, as the administrator of the other said. */
export type Opening = ReadonlyMap<string, readonly string[]>

/** `undefined` where the resource may not be called by that one at all. */
export function openingFor(resource: Resource, caller: Pick<Resource, 'id'>): Opening | undefined {
  const entry = resource.document.callers?.find((each) => each.resource === caller.id)
  return entry && new Map(Object.entries(entry.for))
}

/** The scopes at the resource that these scopes at the caller open, in the order the resource lists its own. */
export function openedScopes({ document }: Resource, opening: Opening, held: readonly string[]): string[] {
  const opened = held.flatMap((scope) => opening.get(scope) ?? [])
  return Object.keys(document.scopes).filter((scope) => opened.includes(scope))
}

export type ScopesAsked = {
  /** Of the person's token, at the caller. */
  held: readonly string[]
  /** None: whatever there is. */
  requested: readonly string[]
  /** Those the person may have at the target at all, whoever asks. */
  within: ReadonlySet<string>
}

/** What an exchange grants: nothing that is not asked for, not the person's, or that no scope of their token opens. */
export function exchangedScopes(
  target: Resource,
  opening: Opening,
  { held, requested, within }: ScopesAsked,
): { outcome: 'granted'; scopes: string[] } | ExchangeRefusal {
  const isAsked = (scope: string) =>
    within.has(scope) && (requested.length === 0 || requested.includes(scope))
  const opensWith = (scopes: readonly string[]) => openedScopes(target, opening, scopes).filter(isAsked)
  // At a resource without scopes an empty grant is all there is; it has to be opened all the same.
  const isScopeless = Object.keys(target.document.scopes).length === 0
  const keys = [...opening.keys()].filter((scope) => isScopeless || opensWith([scope]).length > 0)
  if (keys.some((scope) => held.includes(scope))) return { outcome: 'granted', scopes: opensWith(held) }
  return keys.length === 0 ? exchangeRefusal('scope_not_allowed') : exchangeRefusal('scope_not_granted', keys)
}
