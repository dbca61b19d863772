import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Database } from '../storage/database.ts'
import type { Store } from '../storage/store.ts'
import { auditEvent } from './event.ts'
import { openAuditKey } from './key.ts'

/** How many chains one row names at most. */
const named = 64

type Parts = { store: Pick<Store, 'auditKeys' | 'auditChains' | 'auditEvents'>; clock: Clock }

/** From here on what this process writes into the record is linked; to be done before it writes anything there. */
export async function beginChains(
  { store, clock, sealer }: Parts & { sealer: Sealer },
  { chains }: Pick<Database, 'chains'>,
): Promise<void> {
  const key = await openAuditKey({ store, sealer }, clock())
  chains.keep({ key, heads: await store.auditChains.recentHeads(named) })
}

/** The last row of every chain of this process; without it, a chain ended with a crash. */
export async function endChains(
  { store, clock }: Parts,
  { chains }: Pick<Database, 'chains'>,
): Promise<void> {
  for (let left = chains.begun; left > 0; left--) {
    await store.auditEvents.create(auditEvent(clock(), { event: 'audit.chain_ended', actor: 'gateway' }))
  }
}

/**
 * Names where the chains stand, so that the end of one cannot vanish after it unseen, whichever process wrote it. Nothing
 * is written while nothing else is.
 */
export async function writeCheckpoint({ store, clock }: Parts): Promise<void> {
  const youngest = await store.auditChains.findYoungest()
  if (!youngest || youngest.event === 'audit.checkpoint') return
  const heads = await store.auditChains.recentHeads(named)
  const detail = { heads }
  await store.auditEvents.create(auditEvent(clock(), { event: 'audit.checkpoint', actor: 'gateway', detail }))
}
