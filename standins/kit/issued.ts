import type { Clock } from '../../src/lib/clock.ts'

export type IssuedKind = 'code' | 'access_token' | 'refresh_token' | 'id_token'

export type Owner = { user: string; clientId: string }

/** One secret a stand-in ever handed out, alive or not. */
export type Issued = Owner & { kind: IssuedKind; value: string; at: number }

export type IssuedRecord = {
  add(kind: IssuedKind, value: string, owner: Owner): void
  list(): Issued[]
}

export function createIssuedRecord(clock: Clock): IssuedRecord {
  const entries: Issued[] = []
  return {
    add(kind, value, { user, clientId }) {
      entries.push({ kind, value, user, clientId, at: clock() })
    },
    list: () => [...entries],
  }
}
