import { putBounded } from '../lib/bounded-map.ts'
import { createBudget } from '../lib/budget.ts'
import type { Clock } from '../lib/clock.ts'
import { FetchError } from '../lib/fetch-error.ts'
import type { GuardedFetch } from '../lib/guarded-fetch.ts'
import type { ClientJwk } from '../storage/documents.ts'
import { freshUntil } from './document-freshness.ts'
import type { FetchBudget } from './fetch-budget.ts'
import { readKeySet } from './key-set.ts'

/** Where somebody publishes their keys. An administrator may name a host of a private network, nobody else. */
export type KeySource = { readonly uri: string; readonly namedBy: 'administrator' | 'client' }

export type KeySets = {
  /** The keys as they were last seen; `newer`: those did not do, and there may be others by now. */
  find(source: KeySource, wanted: 'known' | 'newer'): Promise<readonly ClientJwk[]>
}

export type KeySetParts = {
  fetch: GuardedFetch
  clock: Clock
  deadline: number
  mayFetch: FetchBudget
}

type Known = { keys: readonly ClientJwk[]; freshUntil: number }

const capacity = 1_000
const maxBytes = 64 * 1024
/** Seconds between two fetches of one set: a signature that does not verify costs nobody more than that. */
const pace = 60
/** Seconds for which keys are good when their host fails. */
const staleLifetime = 86_400

/** Published keys, as each process last saw them. */
export function createKeySets(parts: KeySetParts): KeySets {
  const { clock } = parts
  const known = new Map<string, Known>()
  const underWay = new Map<string, Promise<Known | undefined>>()
  const patience = createBudget({ limit: 1, window: pace }, clock)

  async function renew(key: string, source: KeySource): Promise<Known | undefined> {
    const url = URL.parse(source.uri)
    if (!url || !patience.spend(key)) return undefined
    if (source.namedBy === 'client' && !parts.mayFetch(url.origin)) return undefined
    const fetched = await fetchKeys(parts, source, url)
    if (fetched) putBounded(known, key, fetched, capacity)
    return fetched
  }

  return {
    async find(source, wanted) {
      const key = `${source.namedBy} ${source.uri}`
      const before = known.get(key)
      if (before && before.freshUntil > clock() && wanted === 'known') return before.keys
      const renewing = underWay.get(key) ?? renew(key, source).finally(() => underWay.delete(key))
      underWay.set(key, renewing)
      const renewed = await renewing
      if (renewed) return renewed.keys
      return before && before.freshUntil + staleLifetime > clock() ? before.keys : []
    },
  }
}

async function fetchKeys(
  { fetch, deadline, clock }: KeySetParts,
  { uri, namedBy }: KeySource,
  url: URL,
): Promise<Known | undefined> {
  try {
    const response = await fetch(uri, {
      headers: { accept: 'application/jwk-set+json, application/json' },
      deadline,
      limit: maxBytes,
      ...(namedBy === 'administrator' && { privateHosts: new Set([url.host]) }),
    })
    const set = response.status === 200 ? readKeySet(await response.json()) : undefined
    return set && { keys: set.keys, freshUntil: freshUntil(response.headers, clock()) }
  } catch (error) {
    // What is no JSON is a SyntaxError.
    if (error instanceof FetchError || error instanceof SyntaxError) return undefined
    throw error
  }
}
