import type { Connection } from '../storage/connections.ts'
import type { RefreshLease, Unknown } from '../storage/refresh-leases.ts'
import type { Patience } from './late-refreshes.ts'
import type { Provider } from './provider.ts'
import type { PaceReport } from './provider-pace.ts'
import type { RefreshPlan } from './refresh-plan.ts'
import type { RefreshOutcome, UpstreamFailure } from './tokens.ts'

export type Refreshed =
  | { outcome: 'refreshed'; connection: Connection; accessToken: string }
  | { outcome: 'dead'; connection: Connection }
  | { outcome: 'failed'; failure: Pick<UpstreamFailure, 'kind'>; retryAfter: number }
  /** Somebody else is at it, and was not waited for or not long enough. */
  | { outcome: 'busy'; retryAfter: number }

/** One look at a connection; another process may have its lease. */
export type Tried = Refreshed | 'held elsewhere'

/** A lease in hand. */
export type Attempt = {
  provider: Provider
  connection: Connection
  lease: RefreshLease
  plan: Extract<RefreshPlan, { step: 'send' | 'read' | 'give up' }>
  /** Opened before the lease was taken: what is sealed with a key that is missing looks like no attempt. */
  refreshToken: string
  /** What others may have sent before. */
  unknown: Unknown | undefined
  /** From when on the lease may end before the answer is there. */
  sendBefore: number
  /** Of those who wait for what is sent. */
  patience: Patience
  /** What came of it, as far as the provider is concerned. */
  report: PaceReport
}

export type AttemptSeen = {
  provider: string
  outcome: 'refreshed' | 'dead' | 'overtaken' | 'not_stored' | UpstreamFailure['kind']
  seconds: number
}

/** What the pace of a provider goes by. */
export function reportOf(answer: RefreshOutcome): PaceReport {
  if (answer.outcome === 'tokens') return 'answered'
  const { kind } = answer.failure
  return kind === 'transient' || kind === 'limited' ? answer.failure : 'answered'
}

/** Nothing came of it where the store failed. */
export function nameOf(tried: Tried | undefined): AttemptSeen['outcome'] {
  if (tried === undefined) return 'not_stored'
  if (tried === 'held elsewhere' || tried.outcome === 'busy') return 'overtaken'
  return tried.outcome === 'failed' ? tried.failure.kind : tried.outcome
}
