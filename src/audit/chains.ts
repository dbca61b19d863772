import { putBounded } from '../lib/bounded-map.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Head } from '../storage/audit-chain.ts'
import type { Database } from '../storage/database.ts'
import type { Store } from '../storage/store.ts'
import { auditEvent } from './event.ts'
import { recentHeads } from './heads.ts'
import { openAuditKey } from './key.ts'

/** How many chains a process keeps in mind. */
const mostKnown = 256

type Parts = { store: Pick<Store, 'auditKeys' | 'auditChains' | 'auditEvents'>; clock: Clock }

/** From here on what this process writes into the record is linked; to be done before it writes anything there. */
export async function beginChains(
  { store, clock, sealer }: Parts & { sealer: Sealer },
  { chains }: Pick<Database, 'chains'>,
): Promise<void> {
  const key = await openAuditKey({ store, sealer }, clock())
  chains.keep({ key, heads: await recentHeads(store, key) })
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
 * Names where the chains stand, so that the end of one cannot vanish after it unseen, whichever process wrote it: those
 * that have grown since this process named them. Nothing is written while nothing else is. What was named is
 * remembered here and not looked up: a row that says it is the youngest checkpoint may be anybody's, or of a clock that
 * was ahead for an hour.
 */
export function createCheckpoints({ store, clock }: Parts, key: () => Promise<Uint8Array>) {
  /** By chain, up to which number. */
  const known = new Map<string, number>()
  const hasNews = async (head: Head) =>
    await store.auditChains.hasNews({ chain: head.chain, seq: known.get(head.chain) ?? 0 })

  return async (): Promise<void> => {
    const recent = await recentHeads(store, await key())
    const others = [...known.keys()].filter((chain) => !recent.some((head) => head.chain === chain))
    const found = new Map(recent.map((head) => [head.chain, head]))
    for (const chain of others) {
      const head = await store.auditChains.findHead(chain)
      if (head) found.set(chain, head)
    }
    const heads = [...found.values()].flatMap(({ chain, seq, mac }) =>
      seq > (known.get(chain) ?? 0) ? [{ chain, seq, mac }] : [],
    )
    const shorter = [...known].filter(([chain, seq]) => (found.get(chain)?.seq ?? 0) < seq)
    if ((await Promise.all(heads.map(hasNews))).includes(true)) {
      const facts = { event: 'audit.checkpoint', actor: 'gateway', detail: { heads } } as const
      await store.auditEvents.create(auditEvent(clock(), facts))
      for (const { chain, seq } of heads) putBounded(known, chain, seq, mostKnown)
    }
    if (shorter.length === 0) return
    throw new Error(`the audit record was cut, in ${shorter.map(([chain]) => chain).join(', ')}`)
  }
}
