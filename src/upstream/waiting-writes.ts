import { StorageUnavailableError } from '../storage/unavailable.ts'

/**
 * What came of refreshes and the store would not take yet. This process alone knows it, so it waits here, one for each
 * connection, and is written again until the store takes it.
 */
export type WaitingWrites<Result> = {
  /** Writes; where the store fails, which is thrown, it stays here. */
  write(connectionId: string, write: Write<Result>): Promise<Result>
  /** Leaves it to be written when somebody asks next. */
  later(connectionId: string, write: Write<Result>): void
  /** Writes what waits, together with whoever is at it. `undefined`: nothing does. */
  retry(connectionId: string): Promise<Result | undefined>
  ids(): string[]
  /** How many of them hold tokens that are nowhere else. */
  withTokens(): number
}

export type Write<Result> = { holds: 'tokens' | 'word'; carryOut(): Promise<Result> }

export function createWaitingWrites<Result>(): WaitingWrites<Result> {
  const waiting = new Map<string, Write<Result> & { underWay?: Promise<Result> }>()

  async function retry(connectionId: string): Promise<Result | undefined> {
    const entry = waiting.get(connectionId)
    if (!entry) return undefined
    // Written twice at once, the second would take what the first did for somebody else's.
    entry.underWay ??= entry.carryOut().finally(() => {
      delete entry.underWay
    })
    const forget = () => {
      if (waiting.get(connectionId) === entry) waiting.delete(connectionId)
    }
    try {
      const result = await entry.underWay
      forget()
      return result
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) forget()
      throw error
    }
  }

  return {
    async write(connectionId, write) {
      waiting.set(connectionId, write)
      const result = await retry(connectionId)
      if (result === undefined) throw new Error('a write that was left waiting is gone')
      return result
    },
    later(connectionId, write) {
      waiting.set(connectionId, write)
    },
    retry,
    ids: () => [...waiting.keys()],
    withTokens: () => [...waiting.values()].filter(({ holds }) => holds === 'tokens').length,
  }
}
