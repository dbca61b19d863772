import { putBounded } from '../lib/bounded-map.ts'
import type { Clock } from '../lib/clock.ts'
import type { RefreshRest } from '../storage/refresh-leases.ts'
import type { UpstreamFailure } from './tokens.ts'

/** Whether a provider may be asked now, in a moment, or not before a certain time. */
export type Admission = { step: 'go' } | { step: 'wait' } | ({ step: 'rest' } & RefreshRest)

/** What came of asking, as far as it is about the provider: `answered` is anything but an outage or a limit. */
export type PaceReport = 'not asked' | 'answered' | UpstreamFailure

export type ProviderPace = {
  enter(providerId: string): Admission
  /** Whether entering would be answered by more than `wait`. */
  hasRoom(providerId: string): boolean
  /** After every `go`, exactly once; `connectionId` is whose token it was about. */
  leave(providerId: string, report: PaceReport, connectionId: string): void
  /** An answer came that nobody waited for any more: what had looked like an outage was none. */
  heard(providerId: string): void
  /** For whoever watches: by provider, whether it is left alone. */
  states(): { provider: string; state: 'closed' | 'recovering' | 'open' }[]
}

type State = {
  /** How many may be under way at once. */
  width: number
  underWay: number
  /** Outages in a row. */
  failures: number
  /** Seconds the next outage is waited out. */
  pause: number
  rest?: RefreshRest
  /** How many were answered, and how many told to wait, ever. */
  counts: Counts
  /** By connection that was told to wait and not answered since, how it was with everybody then. */
  limited: Map<string, Counts>
}

type Counts = { answered: number; limited: number }

const widest = 64
const failuresToOpen = 5
const longestPause = 60
/** Connections at one provider that are known to have been told to wait. */
const mostLimited = 1000

/**
 * How fast each provider is asked. After five outages in a row, whoever's they were, it is left alone for a while;
 * then one asks, and with every answer twice as many may, so that a provider that comes back is not run over by
 * everybody who waited.
 *
 * What limits one person may limit all: after a rate limit nobody asks for a moment, and then fewer. If the same
 * connection is limited again, and the others were not meanwhile, then it was about this person, who waits alone.
 */
export function createProviderPace({ clock, backoff }: { clock: Clock; backoff: number }): ProviderPace {
  const states = new Map<string, State>()

  function stateOf(id: string): State {
    const known = states.get(id)
    if (known) return known
    const state: State = {
      width: widest,
      underWay: 0,
      failures: 0,
      pause: backoff,
      counts: { answered: 0, limited: 0 },
      limited: new Map(),
    }
    states.set(id, state)
    return state
  }

  function recover(state: State): void {
    Object.assign(state, { failures: 0, pause: backoff, width: Math.min(widest, state.width * 2) })
  }

  const isResting = ({ rest }: State): boolean => rest !== undefined && rest.until > clock()

  const isFull = ({ underWay, width }: State): boolean => underWay >= width

  return {
    hasRoom(providerId) {
      const state = stateOf(providerId)
      return isResting(state) || !isFull(state)
    },

    enter(providerId) {
      const state = stateOf(providerId)
      if (state.rest && isResting(state)) return { step: 'rest', ...state.rest }
      if (isFull(state)) return { step: 'wait' }
      state.underWay++
      return { step: 'go' }
    },

    leave(providerId, report, connectionId) {
      const state = stateOf(providerId)
      state.underWay--
      if (report === 'not asked') return
      if (report === 'answered') {
        state.counts.answered++
        state.limited.delete(connectionId)
        recover(state)
        return
      }
      const { kind, code, retryAfter = backoff } = report
      if (kind === 'limited') {
        if (limitsOneAlone(state, connectionId)) return
        state.width = Math.ceil(state.width / 2)
        state.rest = { until: clock() + Math.min(retryAfter, backoff), trouble: { kind, code } }
        return
      }
      state.failures++
      // Those who set out before it was left alone come home one by one.
      if (isResting(state) || (state.failures < failuresToOpen && state.width > 1)) return
      state.width = 1
      state.rest = { until: clock() + state.pause, trouble: { kind, code } }
      state.pause = Math.min(state.pause * 2, longestPause)
    },

    heard(providerId) {
      const state = stateOf(providerId)
      if (state.rest?.trouble.kind === 'transient') delete state.rest
      recover(state)
    },

    states: () =>
      [...states].map(([provider, state]) => ({
        provider,
        state: isResting(state) ? 'open' : state.width < widest ? 'recovering' : 'closed',
      })),
  }
}

/** Whether this one was limited before, and since then others were answered at least as often as they were limited. */
function limitsOneAlone({ limited, counts }: State, connectionId: string): boolean {
  const before = limited.get(connectionId)
  if (!before) counts.limited++
  putBounded(limited, connectionId, { ...counts }, mostLimited)
  return before !== undefined && counts.answered - before.answered >= counts.limited - before.limited
}
