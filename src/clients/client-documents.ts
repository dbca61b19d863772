import { isDeepStrictEqual } from 'node:util'
import { auditEvent } from '../audit/event.ts'
import { OAuthError } from '../errors.ts'
import { createBudget } from '../lib/budget.ts'
import type { Clock } from '../lib/clock.ts'
import { FetchError } from '../lib/fetch-error.ts'
import type { GuardedFetch } from '../lib/guarded-fetch.ts'
import type { Client } from '../storage/clients.ts'
import type { ClientMetadata } from '../storage/documents.ts'
import type { Store } from '../storage/store.ts'
import { freshUntil } from './document-freshness.ts'
import { documentUrl } from './document-id.ts'
import type { FetchBudget } from './fetch-budget.ts'
import { readMetadataDocument } from './metadata-document.ts'
import { documentRules, type RegistrationPolicy } from './registration-policy.ts'

export type DocumentAnswer =
  | { readonly outcome: 'found'; readonly client: Client }
  /** No id of a document that may be asked for. */
  | { readonly outcome: 'unknown' }
  /** Nothing that can be used was there, and nothing from before is good enough. */
  | { readonly outcome: 'unreachable'; readonly host: string }

/** The clients that publish their metadata under their id. */
export type ClientDocuments = {
  /** The client as its document says it is, which may be a fetch. Never for an id that is no URL. */
  find(id: string): Promise<DocumentAnswer>
}

export type DocumentParts = {
  store: Pick<Store, 'clients' | 'unusedClients'>
  fetch: GuardedFetch
  clock: Clock
  allowLoopback: boolean
  /** Seconds for one fetch. */
  deadline: number
  mayFetch: FetchBudget
  policy: RegistrationPolicy
  /** Seconds until a client that nobody used is forgotten. */
  unusedLifetime: number
  /** How many of those there may be. */
  mostUnused: number
}

const maxBytes = 5 * 1024
/** Seconds for which a client goes on as it was last seen when its host fails: some refuse cloud addresses for days. */
const staleLifetime = 7 * 86_400
/** Seconds for which a host that failed is not asked again for a client that is known. */
const retryAfter = 60
const fetchesAtOnce = 32

type Fetched = { metadata: ClientMetadata; freshUntil: number }

export function createClientDocuments(parts: DocumentParts): ClientDocuments {
  const { clock, mayFetch } = parts
  const patience = createBudget({ limit: 1, window: retryAfter }, clock)
  const underWay = new Map<string, Promise<DocumentAnswer>>()
  let fetching = 0

  async function look(id: string, url: URL): Promise<DocumentAnswer> {
    const now = clock()
    const before = await parts.store.clients.find(id, now)
    const pinned = parts.policy.metadata_documents.get(id)
    if (pinned) return found(await keepPinned(parts, id, pinned, before))
    if (before && (!before.enabled || (before.freshUntil ?? 0) > now)) return found(before)
    const fetched = await fetchWithin(id, url, before)
    if (fetched) return found(await keep(parts, id, fetched, before))
    const isGoodEnough = before && (before.freshUntil ?? 0) + staleLifetime > now
    return isGoodEnough ? found(before) : { outcome: 'unreachable', host: url.host }
  }

  /** Nothing, too, where there is no room for another fetch. */
  async function fetchWithin(id: string, url: URL, before: Client | undefined): Promise<Fetched | undefined> {
    const mayAsk = fetching < fetchesAtOnce && (!before || patience.spend(id)) && mayFetch(url.origin)
    if (!mayAsk) return undefined
    fetching += 1
    return await fetchDocument(parts, id).finally(() => {
      fetching -= 1
    })
  }

  return {
    async find(id) {
      const url = documentUrl(id, parts)
      const hosts = parts.policy.metadata_document_hosts
      const isTaken = parts.policy.metadata_documents.has(id) || !hosts || hosts.includes(url?.host ?? '')
      if (!url || !isTaken) return { outcome: 'unknown' }
      const looking = underWay.get(id) ?? look(id, url).finally(() => underWay.delete(id))
      underWay.set(id, looking)
      return await looking
    },
  }
}

const found = (client: Client): DocumentAnswer => ({ outcome: 'found', client })

/** Nothing where there is no answer, or none that may be used: an error is never kept. */
async function fetchDocument(
  { fetch, deadline, clock, policy }: DocumentParts,
  id: string,
): Promise<Fetched | undefined> {
  try {
    const response = await fetch(id, { headers: { accept: 'application/json' }, deadline, limit: maxBytes })
    if (response.status !== 200 || !isJson(response.headers)) return undefined
    const metadata = readMetadataDocument(await response.text(), id, documentRules(policy))
    return { metadata, freshUntil: freshUntil(response.headers, clock()) }
  } catch (error) {
    if (error instanceof FetchError || error instanceof OAuthError) return undefined
    throw error
  }
}

function isJson(headers: Headers): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(headers.get('content-type') ?? '')
}

/** A document of the configuration file is as fresh as the file; once it is taken out there, it is fetched. */
async function keepPinned(
  parts: DocumentParts,
  id: string,
  metadata: ClientMetadata,
  before: Client | undefined,
): Promise<Client> {
  if (before && isDeepStrictEqual(before.metadata, metadata)) return before
  return await keep(parts, id, { metadata, freshUntil: parts.clock() }, before)
}

async function keep(
  { store, clock, unusedLifetime, mostUnused }: DocumentParts,
  id: string,
  { metadata, freshUntil }: Fetched,
  before: Client | undefined,
): Promise<Client> {
  const now = clock()
  const row: Client = {
    id,
    origin: 'document',
    metadata,
    secretHash: null,
    registrationTokenHash: null,
    trusted: false,
    enabled: true,
    invited: false,
    createdAt: now,
    lastUsedAt: null,
    freshUntil,
    expiresAt: now + unusedLifetime,
  }
  if (before && isDeepStrictEqual(before.metadata, metadata)) {
    return (await store.clients.refreshDocument(row)) ?? row
  }
  // One that is displaced can be fetched again, so none needs to be protected for its age.
  if (!before) {
    await store.unusedClients.makeRoom({ origin: 'document', limit: mostUnused, protectedSince: now }, now)
  }
  if (!before || before.lastUsedAt === null) return await store.clients.saveDocument(row, undefined)
  const detail = { before: before.metadata, after: metadata }
  const event = auditEvent(now, { event: 'client.changed', actor: 'gateway', clientId: id, detail })
  return await store.clients.saveDocument(row, event)
}
