import type { Decision } from '../storage/decisions.ts'
import type { Store } from '../storage/store.ts'

export type DecisionLog = {
  /**
   * Keeps a decision that counted nowhere. One that refused somebody is there when this resolves; a plain yes is written
   * with others within a second, and may be lost with the process.
   */
  record(decision: Decision): Promise<void>
  find(id: string): Promise<Decision | undefined>
  /** Writes what still waits. */
  flush(): Promise<void>
}

/** Plain yeses that wait at once; more are written as they come. */
const capacity = 500
/** Those that are kept while the store does not take them; the oldest are lost. */
const mostKept = 2 * capacity

export function createDecisionLog({ decisions }: Pick<Store, 'decisions'>): DecisionLog {
  let waiting: Decision[] = []
  const underWay = new Set<readonly Decision[]>()

  async function flush(): Promise<void> {
    if (waiting.length === 0) return
    const batch = waiting
    waiting = []
    underWay.add(batch)
    try {
      await decisions.record(batch)
    } catch (error) {
      waiting = [...batch, ...waiting].slice(-mostKept)
      throw error
    } finally {
      underWay.delete(batch)
    }
  }

  return {
    flush,
    async record(decision) {
      if (!decision.allowed) return await decisions.record([decision])
      waiting.push(decision)
      if (waiting.length >= capacity) await flush()
    },
    async find(id) {
      const unwritten = [waiting, ...underWay].flat().find((decision) => decision.id === id)
      return unwritten ?? (await decisions.find(id))
    },
  }
}
