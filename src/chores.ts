import type { FastifyBaseLogger } from 'fastify'
import { createCheckpoints } from './audit/chains.ts'
import { createRetention } from './audit/retention.ts'
import type { Gateway } from './gateway.ts'
import type { Database } from './storage/database.ts'
import { checkMasterKeys } from './storage/key-check.ts'
import { sweep, sweepDefaults } from './storage/sweep.ts'

/** What a running gateway does beside answering. */
export type Chore = {
  /** As the log calls it where it fails. */
  name: string
  /** Seconds from one turn to the next. */
  every: number
  /** Whether the first turn is now, and not only after so many seconds. */
  first?: 'now'
  work(): Promise<void>
}

/** Gives chores their turns, until what it answers is called. */
export type Schedule = (chores: readonly Chore[], onFailure: OnFailure) => () => void
type OnFailure = (chore: Chore, error: unknown) => void

/** By the timers of this process, none of which keeps it alive. */
export const byTimers: Schedule = (chores, onFailure) => {
  const turn = (chore: Chore) => void chore.work().catch((error) => onFailure(chore, error))
  for (const chore of chores) if (chore.first === 'now') turn(chore)
  const timers = chores.map((chore) => setInterval(turn, chore.every * 1000, chore).unref())
  return () => timers.forEach(clearInterval)
}

/** Rows of the audit record that one sweep takes at most. */
const mostDropped = 20_000

type Parts = { gateway: Gateway; database: Database; log: FastifyBaseLogger }

/** Everything a gateway does without being asked. */
export function choresOf({ gateway, database, log }: Parts): Chore[] {
  return [
    { name: 'sweep', every: 300, work: () => sweepOnce(gateway, database) },
    { name: 'shortening the audit record', every: 300, work: shorteningOf(gateway) },
    {
      name: 'a checkpoint of the audit record',
      every: 3_600,
      work: createCheckpoints(gateway, gateway.auditKey),
    },
    { name: 'recording failures', every: 60, work: () => gateway.failures.record('due') },
    { name: 'writing decisions', every: 1, work: gateway.decisionLog.flush },
    { name: 'sharing limits', every: 1, first: 'now', work: gateway.shareLimits },
    { name: 'resealing', every: 1, work: gateway.resealing.runDue },
    // A key that another process let go of while this one seals with it is not to be forgotten.
    {
      name: 'checking the master keys',
      every: 60,
      work: () => checkMasterKeys(gateway.store, gateway.sealer, gateway.clock()),
    },
    // What the process before this one did not live to tell providers waited long enough.
    { name: 'revoking at providers', every: 5, first: 'now', work: gateway.revocations.carryOutDue },
    { name: 'tending refreshes', every: 1, work: gateway.tendRefreshes },
    { name: 'probing MCP servers', every: 60, work: () => probeDue(gateway, log) },
    { name: 'keeping connections alive', every: 600, work: () => keepAlive(gateway, log) },
  ]
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
async function sweepOnce({ store, clock, config, meter }: Gateway, database: Database): Promise<void> {
  const now = clock()
  const swept = await sweep(database, now, {
    ...sweepDefaults,
    refreshGrace: config.lifetimes.refresh_grace,
  }).catch((error) => {
    meter.count('sweeps', { outcome: 'failed' })
    throw error
  })
  meter.count('sweeps', { outcome: 'done' })
  for (const [kind, rows] of Object.entries(swept)) meter.count('sweptRows', { kind }, rows)
  await store.signingKeys.deleteRetired(now - 86_400)
}
