import { StorageUnavailableError } from '../storage/unavailable.ts'

/**
 * Answers what carries these out one after the other, never twice at once. A store that is away is no failure: until it
 * is back each process has its own limits.
 */
export function createSharing(shares: readonly (() => Promise<void>)[]): () => Promise<void> {
  let underWay: Promise<void> | undefined
  async function carryOut(): Promise<void> {
    try {
      for (const share of shares) await share()
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error
    } finally {
      underWay = undefined
    }
  }
  return async () => {
    underWay ??= carryOut()
    await underWay
  }
}
