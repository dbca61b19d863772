import type { FastifyBaseLogger } from 'fastify'
import { createCheckpoints } from '../audit/chains.ts'
import { createRetention } from '../audit/retention.ts'
import type { Gateway } from '../gateway.ts'
import { createBelievedTime } from '../lib/believed-time.ts'
import type { LoopWatch } from '../lib/event-loop.ts'
import type { Database } from '../storage/database.ts'
import { checkMasterKeys } from '../storage/key-check.ts'
import { sweep, sweepDefaults } from '../storage/sweep.ts'
import { createTurns, type SharedChore } from './turns.ts'

/** What each process does for itself, beside answering. */
export type OwnChore = {
  /** As the log calls it where it fails. */
  name: string
  /** Seconds from one turn to the next. */
  every: number
  /** Whether the first turn is now, and not only after so many seconds. */
  first?: 'now'
  work(): Promise<void>
}

export type Chores = { own: readonly OwnChore[]; shared: readonly SharedChore[] }

/** Gives everything its turns, until what it answers is called; that resolves when nothing is under way any more. */
export function beginChores({ gateway, log }: Parts, { own, shared }: Chores): () => Promise<void> {
  const onFailure = ({ name }: { name: string }, error: unknown) =>
    log.error({ err: error }, `${name} failed`)
  const turns = createTurns(gateway, shared, onFailure)
  // What the process before this one left undone waited long enough.
  const looking: OwnChore = { name: 'looking for chores', every: 1, first: 'now', work: turns.look }
  const turn = (chore: OwnChore) => void chore.work().catch((error) => onFailure(chore, error))
  const all = [looking, ...own]
  for (const chore of all) if (chore.first === 'now') turn(chore)
  // None of them keeps the process alive.
  const timers = all.map((chore) => setInterval(turn, chore.every * 1000, chore).unref())
  return async () => {
    timers.forEach(clearInterval)
    await turns.stop()
  }
}

/** Rows of the audit record that one turn takes at most. */
const mostDropped = 20_000

type Parts = {
  gateway: Gateway
  database: Database
  loop: Pick<LoopWatch, 'read'>
  log: FastifyBaseLogger
}

/** Everything a gateway does without being asked. */
export function choresOf({ gateway, database, loop, log }: Parts): Chores {
  return {
    own: [
      {
        name: 'a checkpoint of the audit record',
        every: 3_600,
        work: createCheckpoints(gateway, gateway.auditKey),
      },
      { name: 'recording failures', every: 60, work: () => gateway.failures.record('due') },
      { name: 'writing decisions', every: 1, work: gateway.decisionLog.flush },
      { name: 'watching the load', every: 1, work: async () => watchLoad(gateway, loop) },
      { name: 'sharing limits', every: 1, first: 'now', work: gateway.shareLimits },
      // A key that another process let go of while this one seals with it is not to be forgotten.
      {
        name: 'checking the master keys',
        every: 60,
        work: () => checkMasterKeys(gateway.store, gateway.sealer, gateway.clock()),
      },
      { name: 'tending refreshes', every: 1, work: gateway.tendRefreshes },
    ],
    shared: [
      // Whoever does it twice, or late, deletes what each statement itself finds ended.
      { name: 'sweep', every: 300, work: sweepingOf(gateway, database) },
      // A cut is made where the last one still is, and moves no row twice.
      { name: 'audit_retention', every: 300, work: shorteningOf(gateway) },
      // The very statements that count and finish it hold the lease; values are compared and set.
      { name: 'resealing', every: 1, isWanted: gateway.resealing.isWanted, work: gateway.resealing.goOn },
      // Each row is taken by moving its next attempt, and telling a provider twice does no harm.
      {
        name: 'upstream_revocations',
        every: 5,
        isWanted: () => gateway.store.upstreamRevocations.isDue(gateway.clock()),
        work: gateway.revocations.carryOutDue,
      },
      // Each server is claimed by moving its next probe; what was found is kept where nobody found anything since.
      { name: 'probing', every: 60, work: () => probeDue(gateway, log) },
      // Each connection is refreshed under the lease of its own, which is fenced.
      {
        name: 'interrupted_refreshes',
        every: 5,
        isWanted: gateway.leftBehind.isThere,
        work: gateway.leftBehind.takeUp,
      },
      { name: 'keep_alive', every: 600, work: () => keepAlive(gateway, log) },
    ],
  }
}

function watchLoad({ load }: Gateway, loop: Pick<LoopWatch, 'read'>): void {
  load.noteLag(loop.read())
  load.endOverdue(performance.now())
}

async function probeDue({ probing }: Gateway, log: FastifyBaseLogger): Promise<void> {
  for (const { resourceId, probes } of await probing.runDue()) {
    const failed = probes.filter(({ outcome }) => outcome === 'failed').map(({ check }) => check)
    if (failed.length > 0) log.warn({ resourceId, failed }, 'an MCP server is not protected')
  }
}

async function keepAlive({ keepConnectionsAlive }: Gateway, log: FastifyBaseLogger): Promise<void> {
  for (const { provider, outcomes } of await keepConnectionsAlive()) {
    if (Object.keys(outcomes).length === 0) continue
    log.info({ provider, outcomes }, 'idle connections were touched')
  }
}

function shorteningOf(gateway: Gateway): () => Promise<void> {
  const shorten = createRetention(gateway, gateway.auditKey)
  return async () => {
    const retention = gateway.config.lifetimes.audit_retention
    const { broken } = await shorten({ retention, rows: mostDropped })
    if (broken.length === 0) return
    const advice = 'its old rows stay; coatcheck audit verify says more'
    throw new Error(`the audit record was changed, in ${broken.join(', ')}: ${advice}`)
  }
}

/** Retired signing keys stay a day longer than anything they signed. */
function sweepingOf({ store, clock, config, meter }: Gateway, database: Database): SharedChore['work'] {
  const believedTime = createBelievedTime(clock)
  return async ({ signal }) => {
    const times = { now: clock(), believed: believedTime() }
    const swept = await sweep(database, times, {
      ...sweepDefaults,
      refreshGrace: config.lifetimes.refresh_grace,
      signal,
    }).catch((error) => {
      meter.count('sweeps', { outcome: 'failed' })
      throw error
    })
    meter.count('sweeps', { outcome: 'done' })
    for (const [kind, rows] of Object.entries(swept)) meter.count('sweptRows', { kind }, rows)
    if (times.believed !== undefined) await store.signingKeys.deleteRetired(times.believed - 86_400)
  }
}
