import type { Decision } from '../storage/decisions.ts'
import type { Store } from '../storage/store.ts'

export type DecisionLog = {
  /**
   * Keeps a decision. One that took something from somebody, or refused them, is there when this resolves; a plain yes is
   * written with others within a second, and may be lost with the process.
   */
  record(decision: Decision): Promise<void>
  find(id: string): Promise<Decision | undefined>
  /** Writes what still waits. */
  flush(): Promise<void>
}

/** Plain yeses that wait at once; more are written as they come. */
const capacity = 500

export function createDecisionLog({ decisions }: Pick<Store, 'decisions'>): DecisionLog {
  let waiting: Decision[] = []
  async function flush(): Promise<void> {
    if (waiting.length === 0) return
    const batch = waiting
    waiting = []
    await decisions.record(batch)
  }
  return {
    flush,
    async record(decision) {
      const isPlain = decision.allowed && !decision.detail.counted
      if (!isPlain) return await decisions.record([decision])
      waiting.push(decision)
      if (waiting.length >= capacity) await flush()
    },
    async find(id) {
      return waiting.find((decision) => decision.id === id) ?? (await decisions.find(id))
    },
  }
}
