import { createBelievedTime } from '../lib/believed-time.ts'
import type { Clock } from '../lib/clock.ts'
import { type Cut, type Head, proofOf } from '../storage/audit-chain.ts'
import type { AuditEvent } from '../storage/audit-events.ts'
import type { Store } from '../storage/store.ts'
import { auditEvent } from './event.ts'
import { follow, isProven } from './walk.ts'

type Parts = { store: Pick<Store, 'auditChains'>; key: Uint8Array; clock: Clock }

/** Rows that go with one cut: so many at once do not hold up the requests between. */
const segment = 500

const day = 86_400

export type Retention = {
  /** Seconds. */
  retention: number
  /** Rows that one call takes at most, so that nothing else waits for long. */
  rows: number
}

/** Shortens the record now and again. A clock that jumps takes nothing before it has been where it is for some calls. */
export function createRetention(parts: Omit<Parts, 'key'>, key: () => Promise<Uint8Array>) {
  const believedTime = createBelievedTime(parts.clock)
  return async (limits: Retention): Promise<Dropped> => {
    const asOf = believedTime()
    if (asOf === undefined) return { rows: 0, broken: [] }
    return await dropOldEvents({ ...parts, key: await key() }, { ...limits, asOf })
  }
}

export type Dropped = {
  rows: number
  /** Chains whose old rows do not verify, and so stay. */
  broken: string[]
}

/**
 * Drops rows that are older than the retention, whole days at a time and always from the beginning of a chain. What is
 * about to go is verified first: otherwise whoever can change a row's time had the gateway itself remove it, and
 * vouch for that.
 */
export async function dropOldEvents(
  parts: Parts,
  { retention, rows, asOf = parts.clock() }: Retention & { asOf?: number },
): Promise<Dropped> {
  const before = Math.floor((asOf - retention) / day) * day
  const oldest = before.toString(36).padStart(8, '0')
  const dropped: Dropped = { rows: 0, broken: [] }
  const done: string[] = []
  while (dropped.rows < rows) {
    const chain = await parts.store.auditChains.findOldest(oldest, done)
    if (chain === undefined) break
    const taken = await dropSegment(parts, chain, before)
    if (taken === 'broken') dropped.broken.push(chain)
    if (typeof taken === 'number') dropped.rows += taken
    if (taken !== segment) done.push(chain)
  }
  return dropped
}

async function dropSegment({ store, key, clock }: Parts, chain: string, before: number) {
  const cut = await store.auditChains.findCut(chain)
  if (cut && !isProven(key, cut)) return 'broken'
  const beginning: Head = cut ?? { chain, seq: 0, mac: '' }
  if (await store.auditChains.findStray(chain, beginning.seq)) return 'broken'
  const rows = await store.auditChains.rows(chain, beginning.seq, segment)
  const young = rows.findIndex(({ at }) => at >= before)
  const old = young === -1 ? rows : rows.slice(0, young)
  const last = old.at(-1)
  if (!last) return 0
  if (!isWhole(key, beginning, old)) return 'broken'
  const next = { chain, seq: last.seq, mac: last.mac, at: last.at }
  const event = auditEvent(clock(), {
    event: 'audit.dropped',
    actor: 'gateway',
    detail: { chain, through: last.seq, rows: old.length },
  })
  const proven: Cut = { ...next, proof: proofOf(key, next) }
  return (await store.auditChains.cut(cut, proven, event)) ? old.length : 0
}

function isWhole(key: Uint8Array, beginning: Head, rows: readonly AuditEvent[]): boolean {
  let head = beginning
  for (const row of rows) {
    if (follow(key, head, row) !== 'fits') return false
    head = row
  }
  return true
}
