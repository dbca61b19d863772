import { type Cut, type Head, linkAfter, proofOf } from '../storage/audit-chain.ts'
import type { AuditEvent } from '../storage/audit-events.ts'
import type { Store } from '../storage/store.ts'

/**
 * How a row stands to the one before it. `missing`: there is a gap before it. `doubled`: its number was there already.
 * `altered`: it is not the row the gateway wrote at this place, whether it was edited, moved, copied or made up.
 */
export type Footing = 'fits' | 'missing' | 'doubled' | 'altered'

export function follow(key: Uint8Array, head: Head, row: AuditEvent): Footing {
  if (row.seq > head.seq + 1) return 'missing'
  if (row.seq <= head.seq) return 'doubled'
  // SQLite keeps any value in any column, half a number too.
  if (row.seq !== head.seq + 1) return 'altered'
  return linkAfter(key, head, row).mac === row.mac ? 'fits' : 'altered'
}

/** Whether it was this gateway that took what the cut says. */
export const isProven = (key: Uint8Array, cut: Cut): boolean => cut.proof === proofOf(key, cut)

/** Whether a row is what was written at its place, as far as the one before it tells. */
export async function isSound(
  { auditChains }: Pick<Store, 'auditChains'>,
  key: Uint8Array,
  row: AuditEvent,
): Promise<boolean> {
  const { chain } = row
  const seq = row.seq - 1
  if (seq === 0) return follow(key, { chain, seq, mac: '' }, row) === 'fits'
  const before = (await auditChains.findLink(chain, seq)) ?? (await auditChains.findCut(chain))
  return before !== undefined && follow(key, before, row) === 'fits'
}
