import type { Clock } from './clock.ts'

/** Answers that hold for a while, by key. Beyond `most` the one kept longest goes. */
export type KeptAnswers<Value> = {
  find(key: string): Value | undefined
  /** For that many seconds; for none it is not kept at all. */
  keep(key: string, value: Value, seconds: number): void
}

export function keptAnswers<Value>(most: number, clock: Clock): KeptAnswers<Value> {
  const kept = new Map<string, { value: Value; until: number }>()
  return {
    find(key) {
      const found = kept.get(key)
      if (found && clock() < found.until) return found.value
      kept.delete(key)
      return undefined
    },
    keep(key, value, seconds) {
      if (seconds <= 0) return
      kept.delete(key)
      const [oldest] = kept.keys()
      if (kept.size >= most && oldest !== undefined) kept.delete(oldest)
      kept.set(key, { value, until: clock() + seconds })
    },
  }
}
