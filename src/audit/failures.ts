import type { Clock } from '../lib/clock.ts'
import type { Store } from '../storage/store.ts'
import { auditEvent, type EventFacts } from './event.ts'

/** What failed: told apart by its event, outcome and provider, of each of which there are few. */
export type Failure = Pick<EventFacts, 'event' | 'provider'> & { outcome: string }

export type Failures = {
  /** Somebody failed. `name` is an id that is known here, of whom it was about. */
  note(failure: Failure, name?: string): Promise<void>
  /** Records what was counted and is due; when the gateway stops, all of it. */
  record(which: 'due' | 'all'): Promise<void>
}

/** Seconds between two rows about one kind of failure. */
const every = 60

/** Ids one row names at most, and their length: some are addresses that a stranger chose. */
const mostNames = 10
const longestName = 128

type Counted = { failure: Failure; recordedAt: number; count: number; names: Set<string> }

/**
 * Failures that anybody can bring about, as often as they like, enter the record together: the first of a kind at once,
 * and those of the next minute in one row after it. So nobody fills the record by failing, and none goes uncounted
 * while the process lives.
 */
export function createFailures({
  store,
  clock,
}: {
  store: Pick<Store, 'auditEvents'>
  clock: Clock
}): Failures {
  const kinds = new Map<string, Counted>()

  return {
    async note(failure, name) {
      const key = [failure.event, failure.outcome, failure.provider ?? ''].join(' ')
      const known = kinds.get(key)
      const counted = known ?? { failure, recordedAt: Number.NEGATIVE_INFINITY, count: 0, names: new Set() }
      kinds.set(key, counted)
      counted.count += 1
      if (name !== undefined && name.length <= longestName && counted.names.size < mostNames) {
        counted.names.add(name)
      }
      if (isDue(counted)) await write(counted)
    },

    async record(which) {
      for (const counted of kinds.values()) {
        if (counted.count > 0 && (which === 'all' || isDue(counted))) await write(counted)
      }
    },
  }

  /** A clock that was put back must not silence it. */
  function isDue({ recordedAt }: Counted): boolean {
    return Math.abs(clock() - recordedAt) >= every
  }

  async function write(counted: Counted): Promise<void> {
    const { failure, count, names, recordedAt } = counted
    const now = clock()
    const detail = { failures: count, ...(names.size > 0 && { names: [...names] }) }
    Object.assign(counted, { recordedAt: now, count: 0, names: new Set<string>() })
    try {
      await store.auditEvents.create(auditEvent(now, { ...failure, actor: 'gateway', detail }))
    } catch (error) {
      counted.count += count
      counted.recordedAt = recordedAt
      throw error
    }
  }
}
