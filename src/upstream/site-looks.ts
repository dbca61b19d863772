import { isDeepStrictEqual } from 'node:util'
import { putBounded } from '../lib/bounded-map.ts'
import type { Clock } from '../lib/clock.ts'
import type { HeldConnection } from '../storage/connections.ts'
import type { SitesSeen } from '../storage/documents.ts'
import type { Store } from '../storage/store.ts'
import type { Provider } from './provider.ts'
import { type FindSites, needsSite } from './sites.ts'

export type SitesLooked = {
  /** What the provider last said; absent: it has no sites, or never said. */
  seen: SitesSeen | undefined
  /** Whether it was waited for. */
  waited: boolean
}

/** The sites that a connection opens, for whoever has its token at hand. */
export type LookAtSites = (
  provider: Provider,
  connection: HeldConnection,
  accessToken: string,
) => Promise<SitesLooked>

/** Seconds for which a list is good, unless new tokens came since. */
const goodFor = 3600
const mostAsked = 10_000
/** Seconds for which a token that is good is kept back for the sake of the list. */
const deadline = 3

type Asked = {
  until: number
  look: Promise<SitesSeen | undefined>
  state: { isUnderWay: boolean }
}

/**
 * Looks at the list again where it is old. A provider that does not answer changes nothing, and is left alone for
 * `backoff` seconds; so it is with a site that is missing, which may be back.
 */
export function createSiteLooks(parts: {
  connections: Pick<Store['connections'], 'noteSites'>
  findSites: FindSites
  clock: Clock
  backoff: number
}): LookAtSites {
  const { connections, clock } = parts
  const asked = new Map<string, Asked>()

  return async (provider, connection, accessToken) => {
    if (!needsSite(provider, connection.scopes)) return { seen: undefined, waited: false }
    const known = connection.sites ?? undefined
    if (known && isGood(known, connection)) return { seen: known, waited: false }
    const { look, state } = lookOnce(provider, connection, accessToken)
    const waited = state.isUnderWay
    const looked = await look
    const isNews = looked && (!known || looked.seenAt >= known.seenAt)
    return { seen: isNews ? looked : known, waited }
  }

  function isGood(known: SitesSeen, { refreshedAt, siteId }: HeldConnection): boolean {
    const age = clock() - known.seenAt
    const isMissing = siteId !== null && !known.list.some(({ id }) => id === siteId)
    return age >= 0 && age < (isMissing ? parts.backoff : goodFor) && known.seenAt >= refreshedAt
  }

  /** Once for everybody, and not again for a while. */
  function lookOnce(provider: Provider, connection: HeldConnection, accessToken: string): Asked {
    const current = asked.get(connection.id)
    if (current && current.until > clock()) return current
    const state = { isUnderWay: true }
    const look = lookNow(provider, connection, accessToken).finally(() => {
      state.isUnderWay = false
    })
    // What failed for a reason of ours says nothing about the sites.
    look.catch(() => asked.delete(connection.id))
    const started: Asked = { until: clock() + parts.backoff, look, state }
    putBounded(asked, connection.id, started, mostAsked)
    return started
  }

  async function lookNow(provider: Provider, connection: HeldConnection, accessToken: string) {
    const { tokenEndpoint, scopes, sites: before } = connection
    const list = await parts.findSites(provider, { accessToken, tokenEndpoint }, scopes, { deadline })
    if (!list) return undefined
    const seenAt = clock()
    const since = before && isDeepStrictEqual(before.list, list) ? before.since : seenAt
    const seen = { list, since, seenAt }
    await connections.noteSites(connection, seen)
    return seen
  }
}
