import { hostname } from 'node:os'
import { beginChains } from './audit/chains.ts'
import { createFailures, type Failures } from './audit/failures.ts'
import { getAuditKey } from './audit/key.ts'
import { createAssertions, type VerifyAssertion } from './clients/assertion.ts'
import { type ClientDocuments, createClientDocuments } from './clients/client-documents.ts'
import { createFetchBudget } from './clients/fetch-budget.ts'
import { createKeySets } from './clients/key-sets.ts'
import type { Config } from './config/config.ts'
import { createLinkOffers, type OfferConnectLink } from './grants/offered-link.ts'
import { createResealing, type Resealing } from './keys/reseal.ts'
import type { Clock } from './lib/clock.ts'
import { createForwardings, type Forwardings } from './lib/forwardings.ts'
import { createGuardedFetch } from './lib/guarded-fetch.ts'
import { createHeadroom, type Headroom } from './lib/headroom.ts'
import { createMemory, type Memory } from './lib/memory.ts'
import { createPseudonyms, type Pseudonyms } from './lib/pseudonyms.ts'
import { createSealer, type MasterKeys, type Sealer } from './lib/seal.ts'
import { deriveKey, newId, sha256 } from './lib/secret.ts'
import { createLoad, type Load } from './limits/load.ts'
import { createRates, type RateName, type Rates } from './limits/rates.ts'
import { createReturning, type Returning } from './limits/returning.ts'
import { createRateSharing } from './limits/shared-rates.ts'
import { createSharing } from './limits/sharing.ts'
import type { Readings } from './metrics/exposition.ts'
import { deafMeter, type Meter } from './metrics/metric.ts'
import { createReadings } from './metrics/readings.ts'
import { createDecisionLog, type DecisionLog } from './policy/decision-log.ts'
import { createProbing, type Probing } from './policy/probing.ts'
import { type CanStepUp, createCanStepUp } from './policy/step-up.ts'
import type { DatabaseCondition } from './storage/condition.ts'
import { type Database, openDatabase } from './storage/database.ts'
import { checkMasterKeys, verifyMasterKeys } from './storage/key-check.ts'
import { createStore, type Store } from './storage/store.ts'
import { createSigningKeys, type SigningKeys } from './tokens/signing-keys.ts'
import { createVerifyAccessToken, type VerifyAccessToken } from './tokens/verified-tokens.ts'
import { createFreshTokens, type FreshTokens } from './upstream/fresh-token.ts'
import { createKeepAlive, type KeepAlive } from './upstream/keep-alive.ts'
import { createLeftBehind, type LeftBehind } from './upstream/left-behind.ts'
import { createProviderPace } from './upstream/provider-pace.ts'
import { createRefresher } from './upstream/refresh-connection.ts'
import { createProviderRegistry, type ProviderRegistry } from './upstream/registry.ts'
import { createRevocationQueue, type RevocationQueue } from './upstream/revocation-queue.ts'
import { createSiteLooks, type LookAtSites } from './upstream/site-looks.ts'
import { createUpstream, type Upstream } from './upstream/upstream.ts'

/** What every endpoint is handed. What lies below takes the two or three members it uses. */
export type Gateway = {
  config: Config
  /** This process, as leases and whoever looks at them call it. */
  holder: string
  clock: Clock
  store: Store
  sealer: Sealer
  /** Moves sealed values to the sealing key. */
  resealing: Resealing
  signingKeys: SigningKeys
  /** What the rows of the audit record are linked with. */
  auditKey(): Promise<Uint8Array>
  verifyAccessToken: VerifyAccessToken
  providers: ProviderRegistry
  upstream: Upstream
  /** What providers have yet to be told of what ended here. */
  revocations: RevocationQueue
  freshToken: FreshTokens
  lookAtSites: LookAtSites
  /** Every second: stores what the store would not take of refreshes, and sees to those that take long. */
  tendRefreshes(): Promise<void>
  /** Lets refreshes that are under way end, and stores what they brought. */
  stopRefreshing(): Promise<void>
  /** Touches the connections that end when nobody uses them. */
  keepConnectionsAlive: KeepAlive['run']
  /** Refreshes that a process began and did not live to end. */
  leftBehind: LeftBehind
  /** Tries running MCP servers, whether they are protected. */
  probing: Probing
  offerConnectLink: OfferConnectLink
  /** What was decided about calls of tools. */
  decisionLog: DecisionLog
  canStepUp: CanStepUp
  clientDocuments: ClientDocuments
  verifyAssertion: VerifyAssertion
  rates: Rates
  /** What this process has to do. */
  load: Load
  /** From where somebody lately signed in. */
  returning: Returning
  /** Every second: holds the limits together with the other processes over the same database. */
  shareLimits(): Promise<void>
  /** How many more of what anybody may make there may be, as last counted. */
  headroom: Headroom
  /** The refusals that were lately recorded. */
  refusals: Memory
  /** Failures that anybody can bring about, and that enter the record together. */
  failures: Failures
  /** Whether requests say where they come from, and are believed. */
  forwardings: Forwardings
  /** SHA-256 of the administrator's token; absent: the admin API refuses everybody. */
  adminTokenHash: string | undefined
  /** Resolves when the store takes writes, which costs one; rejects otherwise. */
  ready(): Promise<void>
  /** How the database is doing; rejects where it cannot tell. */
  databaseCondition(): Promise<DatabaseCondition>
  /** How often something was committed here. */
  commits(): number
  /** Told of whatever is counted. */
  meter: Meter
  /** The state of things, for whoever watches. */
  readings(): Promise<Readings>
}

/** Secrets the configuration need not hold, because they may be generated for a gateway of this machine alone. */
export type Secrets = { masterKeys: MasterKeys; adminToken: string | undefined }

/** A verifier may keep its copy of the JWKS as long as we allow it; a new key waits twice that before it signs. */
export const jwksMaxAge = 300

/** Seconds in which a refusal that is repeated is recorded once. */
const refusalLifetime = 60

export type OpenGateway = { gateway: Gateway; database: Database }

/**
 * Opens the store and puts a gateway together over it. Nothing is asked of any provider here: an unreachable
 * one never stops a start. Throws `WrongMasterKey` before anything is written, pending migrations included.
 */
export async function openGateway(
  config: Config,
  secrets: Secrets,
  clock: Clock,
  meter: Meter = deafMeter,
): Promise<OpenGateway> {
  const sealer = createSealer(secrets.masterKeys)
  const database = await openDatabase(config.databaseUrl, {
    ...config.database,
    beforeMigrations: async (checks, isSealedUnder) =>
      void (await verifyMasterKeys(checks, sealer, isSealedUnder)),
    observe: (event) => {
      if (event.kind === 'busy') return meter.count('databaseBusy', {})
      meter.time('commitDuration', {}, event.seconds)
      meter.count('committedWrites', {}, event.units)
    },
  })
  try {
    const pseudonyms = createPseudonyms()
    const gateway = assembleGateway(config, secrets, clock, { database, sealer, meter, pseudonyms })
    await checkMasterKeys(gateway.store, gateway.sealer, clock())
    await beginChains(gateway, database)
    pseudonyms.keep(deriveKey(await gateway.auditKey(), 'pseudonyms'))
    return { gateway, database }
  } catch (error) {
    await database.close()
    throw error
  }
}

type Opened = { database: Database; sealer: Sealer; meter?: Meter; pseudonyms?: Pseudonyms }

/** Puts a gateway together over a database as it is: nothing is written, and no master key proven. */
export function assembleGateway(
  config: Config,
  secrets: Pick<Secrets, 'adminToken'>,
  clock: Clock,
  { database, sealer, meter = deafMeter, pseudonyms = createPseudonyms() }: Opened,
): Gateway {
  const { lifetimes, limits, allowLoopbackUpstreams: allowLoopback } = config
  const store = createStore(database.db, database.tables, database.batch)
  const holder = newId(`${hostname()}:${process.pid}:`)
  const fetch = createGuardedFetch({
    allowLoopback,
    deadline: limits.upstream_deadline,
    limit: limits.upstream_bytes,
  })
  const upstream = createUpstream({
    fetch,
    clock,
    allowLoopback,
    discoveryDeadline: limits.discovery_deadline,
  })
  const pace = createProviderPace({ clock, backoff: lifetimes.upstream_failure_backoff })
  const providers = createProviderRegistry({ ...store.providers, sealer, allowLoopback })
  const revocations = createRevocationQueue({
    revocations: store.upstreamRevocations,
    providers,
    rules: { allowLoopback },
    sealer,
    revokeTokens: upstream.revokeTokens,
    refreshTokens: upstream.refreshTokens,
    clock,
    tripLifetime: lifetimes.interaction,
  })
  const refresher = createRefresher({
    holder,
    connections: store.connections,
    leases: store.refreshLeases,
    sealer,
    refreshTokens: upstream.refreshTokens,
    pace,
    discard: revocations.discard,
    clock,
    backoff: lifetimes.upstream_failure_backoff,
    deadline: { answer: limits.upstream_deadline, wayThere: limits.discovery_deadline },
    refreshDeadline: Math.max(limits.upstream_deadline, limits.upstream_refresh_deadline),
    mostLate: limits.late_refreshes,
    observe({ provider, outcome, seconds }) {
      meter.count('upstreamRefreshes', { provider, outcome })
      meter.time('upstreamRefreshDuration', { provider }, seconds)
    },
  })
  const touching = {
    connections: store.connections,
    connectionEnds: store.connectionEnds,
    providers,
    refresh: refresher.refresh,
    clock,
  }
  const keepAlive = createKeepAlive(touching)
  const mayFetch = createFetchBudget(
    { perOrigin: limits.document_fetches_per_origin, inTotal: limits.document_fetches },
    clock,
  )
  const signingKeys = createSigningKeys({
    repository: store.signingKeys,
    sealer,
    clock,
    pace: { overlap: 2 * jwksMaxAge, tokenLifetime: lifetimes.access_token },
  })
  const keySets = createKeySets({ fetch, clock, deadline: limits.discovery_deadline, mayFetch })
  const onRefusal = (rate: RateName) => meter.count('rateLimitRefusals', { rate })
  const { rates, limiters } = createRates({ limits, pseudonyms, onRefusal })
  const load = createLoad({ underWay: limits.requests_under_way, lag: limits.event_loop_lag })
  const returning = createReturning({ store, clock, pseudonyms })
  return {
    config,
    holder,
    clock,
    store,
    sealer,
    resealing: createResealing({ store, sealer, clock }),
    signingKeys,
    auditKey: () => getAuditKey({ store, sealer }),
    verifyAccessToken: createVerifyAccessToken({ signingKeys, issuer: config.issuer, clock }),
    providers,
    upstream,
    revocations,
    freshToken: createFreshTokens({
      connections: store.connections,
      leases: store.refreshLeases,
      sealer,
      refresh: refresher.refresh,
      probe: upstream.probe,
      clock,
      margin: lifetimes.upstream_refresh_margin,
      backoff: lifetimes.upstream_failure_backoff,
    }),
    lookAtSites: createSiteLooks({
      connections: store.connections,
      findSites: upstream.findSites,
      clock,
      backoff: lifetimes.upstream_failure_backoff,
    }),
    tendRefreshes: refresher.tend,
    async stopRefreshing() {
      await Promise.all([keepAlive.stop(), refresher.stop()])
    },
    keepConnectionsAlive: keepAlive.run,
    leftBehind: createLeftBehind(touching),
    probing: createProbing({
      store,
      // An administrator registered it, on this machine only where the gateway itself is there.
      fetch: createGuardedFetch({ allowLoopback: config.issuerIsLoopback, limit: limits.upstream_bytes }),
      signingKeys,
      issuer: config.issuer,
      clock,
      interval: lifetimes.probe_interval,
      deadline: limits.discovery_deadline,
    }),
    offerConnectLink: createLinkOffers({ store, config, clock }),
    decisionLog: createDecisionLog(store),
    canStepUp: createCanStepUp({ store, providers }),
    verifyAssertion: createAssertions({ issuer: config.issuer, store, keySets, clock }),
    clientDocuments: createClientDocuments({
      store,
      fetch,
      clock,
      allowLoopback,
      deadline: limits.discovery_deadline,
      mayFetch,
      policy: config.registration,
      unusedLifetime: lifetimes.unused_client,
      mostUnused: limits.unused_clients,
    }),
    rates,
    load,
    forwardings: createForwardings(),
    refusals: createMemory({ lifetime: refusalLifetime }, clock),
    failures: createFailures({ store, clock }),
    returning,
    shareLimits: createSharing([createRateSharing({ limiters, store, clock }), returning.share]),
    headroom: createHeadroom(clock),
    adminTokenHash: secrets.adminToken === undefined ? undefined : sha256(secrets.adminToken),
    ready: () => database.ping(),
    databaseCondition: () => database.condition(),
    commits: database.commits,
    meter,
    readings: createReadings({ database, pace, refresher, load, chores: store.chores, holder, clock }),
  }
}
