import type { Clock } from '../lib/clock.ts'
import { version } from '../lib/version.ts'
import type { Load } from '../limits/load.ts'
import { countConnections } from '../storage/connection-counts.ts'
import type { Database } from '../storage/database.ts'
import { countRevocations } from '../storage/revocation-counts.ts'
import type { Store } from '../storage/store.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import type { ProviderPace } from '../upstream/provider-pace.ts'
import type { Refresher } from '../upstream/refresh-connection.ts'
import type { Readings } from './exposition.ts'

export type Watched = {
  database: Database
  pace: Pick<ProviderPace, 'states'>
  refresher: Pick<Refresher, 'underWay'>
  load: Pick<Load, 'underWay'>
  chores: Pick<Store['chores'], 'list'>
  /** This process, among all on the database. */
  holder: string
  clock: Clock
}

/** Seconds for which what had to be asked of the database is told again. */
const lasting = 15
/** Nor is more than one part of so many of the time spent on asking. */
const restFactor = 100
/** How far connections are counted, of one provider and status. */
const mostCounted = 100_000

const stateNumbers = { closed: 0, recovering: 1, open: 2 } as const

/** Reads every gauge: what is at hand anew each time, what costs a query every 15 seconds at most. */
export function createReadings(watched: Watched): () => Promise<Readings> {
  const { pace, refresher, load, database, clock } = watched
  let stored: Promise<StoredReadings> | undefined
  let until = 0

  function askStore(): Promise<StoredReadings> {
    const now = clock()
    // A clock that was set back keeps nothing longer than it should.
    if (stored && now < until && until <= now + lasting * restFactor) return stored
    until = now + lasting
    const startedAt = performance.now()
    stored = readStore(watched).finally(() => {
      until = Math.max(until, now + ((performance.now() - startedAt) / 1000) * restFactor)
    })
    return stored
  }

  return async () => {
    const { held, waiting, late, unstored } = refresher.underWay()
    return {
      ...(await askStore()),
      refreshLeases: [
        { labels: { state: 'held' }, value: held },
        { labels: { state: 'waiting' }, value: waiting },
        { labels: { state: 'late' }, value: late },
      ],
      unstoredTokens: [{ labels: {}, value: unstored }],
      providerState: pace
        .states()
        .map(({ provider, state }) => ({ labels: { provider }, value: stateNumbers[state] })),
      requestsUnderWay: [{ labels: {}, value: load.underWay() }],
      writeQueueLength: [{ labels: {}, value: database.waiting() }],
      buildInfo: [{ labels: { version }, value: 1 }],
    }
  }
}

type StoredReadings = Pick<
  Readings,
  'connections' | 'upstreamRevocations' | 'choreDoneAt' | 'choresHeld' | 'auditRows' | 'databaseBytes'
>

/** A store out of reach is told by what is missing; everything else is told still. */
async function readStore({ database, chores, holder }: Watched): Promise<StoredReadings> {
  try {
    const { auditRows, bytes } = await database.extent()
    const counts = await countConnections(database, mostCounted)
    const revocations = await countRevocations(database, mostCounted)
    const shared = await chores.list()
    return {
      connections: counts.map(({ provider, status, count }) => ({
        labels: { provider, status },
        value: count,
      })),
      upstreamRevocations: revocations.map(({ provider, state, count }) => ({
        labels: { provider, state },
        value: count,
      })),
      choreDoneAt: shared.flatMap(({ name, doneAt }) =>
        doneAt === null ? [] : [{ labels: { chore: name }, value: doneAt }],
      ),
      choresHeld: shared.map((chore) => ({
        labels: { chore: chore.name },
        value: Number(chore.holder === holder),
      })),
      auditRows: [{ labels: {}, value: auditRows }],
      databaseBytes: [{ labels: {}, value: bytes }],
    }
  } catch (error) {
    if (!(error instanceof StorageUnavailableError)) throw error
    return {
      connections: [],
      upstreamRevocations: [],
      choreDoneAt: [],
      choresHeld: [],
      auditRows: [],
      databaseBytes: [],
    }
  }
}
