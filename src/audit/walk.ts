import { type Head, linkAfter } from '../storage/audit-chain.ts'
import type { AuditEvent } from '../storage/audit-events.ts'

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
