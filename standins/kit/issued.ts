export type IssuedKind = 'code' | 'access_token' | 'refresh_token' | 'id_token'

/** One secret a stand-in ever handed out, alive or not. */
export type Issued = { kind: IssuedKind; value: string; user: string; clientId: string; at: number }

export type IssuedRecord = {
  add(entry: Issued): void
  list(): Issued[]
}

export function createIssuedRecord(): IssuedRecord {
  const entries: Issued[] = []
  return {
    add(entry) {
      entries.push(entry)
    },
    list: () => entries.map((entry) => ({ ...entry })),
  }
}
