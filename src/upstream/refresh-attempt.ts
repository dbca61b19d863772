import { auditEvent } from '../audit/event.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Connection } from '../storage/connections.ts'
import type { RefreshLease, RefreshRest } from '../storage/refresh-leases.ts'
import type { Store } from '../storage/store.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import { accessTokenPlace, refreshTokenPlace, sealTokens } from './connection-record.ts'
import type { Provider } from './provider.ts'
import type { PaceReport } from './provider-pace.ts'
import { answerPlace, parseRaw, type RawAnswer } from './raw-answer.ts'
import type { RefreshPlan } from './refresh-plan.ts'
import type { RevocationQueue } from './revocation-queue.ts'
import type { RefreshTokens, TokenOutcome, UpstreamFailure, UpstreamTokens } from './tokens.ts'

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
  /** From when on the lease may end before the answer is there. */
  sendBefore: number
  /** What came of it, as far as the provider is concerned. */
  report: PaceReport
}

export type AttemptParts = {
  connections: Store['connections']
  leases: Store['refreshLeases']
  sealer: Sealer
  refreshTokens: RefreshTokens
  /** For tokens that came too late to be kept. */
  discard: RevocationQueue['discard']
  clock: Clock
  /** Seconds a connection is left alone after a failure that is not the end. */
  backoff: number
  /** Told of every attempt, when it has ended. */
  observe?: (attempt: AttemptSeen) => void
}

export type AttemptSeen = {
  provider: string
  outcome: 'refreshed' | 'dead' | 'overtaken' | 'not_stored' | UpstreamFailure['kind']
  seconds: number
}

/** New tokens, and whether the store has at least the answer they came in. */
type Answered = { attempt: Attempt; tokens: UpstreamTokens; at: number; isStored: boolean }

export type Attempts = ReturnType<typeof createAttempts>

/**
 * What is done by whoever has the lease of a connection. What the provider answers is stored as it came before it is
 * read, and nothing here is written by whoever has been overtaken.
 */
export function createAttempts({ connections, leases, sealer, clock, ...parts }: AttemptParts) {
  /** By connection, tokens the store took in no form. They exist nowhere else, so they wait here. */
  const unstored = new Map<string, Answered>()

  return {
    async carryOut(attempt: Attempt): Promise<Tried> {
      const startedAt = performance.now()
      let tried: Tried | undefined
      try {
        tried = await begin(attempt)
        return tried
      } finally {
        const seconds = (performance.now() - startedAt) / 1000
        parts.observe?.({ provider: attempt.provider.id, outcome: nameOf(tried), seconds })
      }
    },

    /** Stores what waits for it, of one connection as it is now. `undefined`: nothing does. */
    async storeWaiting(connectionId: string, connection: Connection | undefined): Promise<Tried | undefined> {
      const waiting = unstored.get(connectionId)
      if (waiting && waiting.attempt.connection.version === connection?.version) return await keep(waiting)
      unstored.delete(connectionId)
      return undefined
    },

    waiting: () => [...unstored.keys()],
    asItIsNow,
  }

  async function begin(attempt: Attempt): Promise<Tried> {
    switch (attempt.plan.step) {
      case 'send':
        return await send(attempt)
      case 'read':
        return await read(attempt, attempt.plan)
      case 'give up':
        return await bury(attempt, 'refresh_interrupted')
    }
  }

  async function send(attempt: Attempt): Promise<Tried> {
    let isStored = false
    let isLate = false
    const answer = await parts.refreshTokens(attempt.provider, {
      ...(await whatIsSent(attempt.connection)),
      mayAsk() {
        isLate = clock() >= attempt.sendBefore
        return !isLate
      },
      onAnswer: async (raw) => {
        isStored = await keepAnswer(attempt.lease, raw)
      },
    })
    // It was not sent. Whoever was held up so long looks again: somebody else may be at it, or be done.
    if (isLate) return 'held elsewhere'
    attempt.report = reportOf(answer)
    if (answer.outcome === 'failed') return await fail(attempt, answer.failure, leases.release)
    return await keep({ attempt, tokens: answer.tokens, at: clock(), isStored })
  }

  async function read(
    attempt: Attempt,
    { sealedAnswer, answeredAt }: Extract<RefreshPlan, { step: 'read' }>,
  ): Promise<Tried> {
    const { connection } = attempt
    const raw = parseRaw(await sealer.open(sealedAnswer, answerPlace(connection.id)))
    let wasRead = false
    const answer = await parts.refreshTokens(attempt.provider, {
      ...(await whatIsSent(connection)),
      takeAnswer: () => {
        wasRead = true
        return raw
      },
    })
    // A provider whose metadata is out of reach says nothing about an answer it gave before.
    const giveBack = wasRead ? leases.release : leases.postpone
    if (answer.outcome === 'failed') return await fail(attempt, answer.failure, giveBack)
    return await keep({ attempt, tokens: answer.tokens, at: answeredAt, isStored: true })
  }

  async function whatIsSent({ id, sealedRefreshToken, scopes, tokenEndpoint, upstreamSubject }: Connection) {
    if (sealedRefreshToken === null) throw new Error('nothing to refresh with')
    const refreshToken = await sealer.open(sealedRefreshToken, refreshTokenPlace(id))
    return { refreshToken, scopes, tokenEndpoint, upstreamSubject }
  }

  /** Whether it is stored. If not, the tokens in it may be in a moment. */
  async function keepAnswer(lease: RefreshLease, raw: RawAnswer): Promise<boolean> {
    try {
      const sealed = await sealer.seal(JSON.stringify(raw), answerPlace(lease.connectionId))
      return await leases.keepAnswer(lease, sealed, clock())
    } catch (error) {
      if (error instanceof StorageUnavailableError) return false
      throw error
    }
  }

  /**
   * Stores new tokens. Where the store does not take them although it has the answer they came in, they are handed
   * out, and whoever comes next stores them; where it has neither, nobody gets them before it does.
   */
  async function keep(answered: Answered): Promise<Tried> {
    const { attempt, tokens, at, isStored } = answered
    const { provider, connection, lease } = attempt
    if (!isStored) unstored.set(connection.id, answered)
    const sealed = await sealTokens(sealer, connection.id, tokens, at)
    const { sealedRefreshToken, refreshExpiresAt } = connection
    const keepsOld = sealed.sealedRefreshToken === null && provider.descriptor.refresh.when_absent === 'keep'
    const stored = keepsOld ? { ...sealed, sealedRefreshToken, refreshExpiresAt } : sealed
    const event = auditEvent(clock(), { event: 'connection.refreshed', ...about(connection) })
    const replaced = await connections.replaceTokens(connection, lease, stored, event).catch((error) => {
      if (isStored && error instanceof StorageUnavailableError) return { ...connection, ...stored }
      throw error
    })
    unstored.delete(connection.id)
    if (replaced) return { outcome: 'refreshed', connection: replaced, accessToken: tokens.accessToken }
    await leases.release(lease)
    // The connection ended, or got other tokens, while the provider was asked.
    const { issuer, upstreamSubject: subject, subjectId } = connection
    await parts.discard(provider, { tokens, identity: { issuer, subject }, subjectId })
    return await asItIsNow(connection)
  }

  async function fail(
    attempt: Attempt,
    { kind, code, retryAfter = parts.backoff }: UpstreamFailure,
    giveBack: (lease: RefreshLease, rest: RefreshRest) => Promise<void>,
  ): Promise<Tried> {
    if (kind === 'reauth') return await bury(attempt, code)
    await giveBack(attempt.lease, { until: clock() + retryAfter, trouble: { kind, code } })
    return { outcome: 'failed', failure: { kind }, retryAfter }
  }

  async function bury({ connection, lease }: Attempt, reason: string): Promise<Tried> {
    const now = clock()
    const event = auditEvent(now, { event: 'connection.died', outcome: reason, ...about(connection) })
    const dead = await connections.markDead(connection, { reason, at: now }, event, lease)
    if (dead) return { outcome: 'dead', connection: dead }
    await leases.release(lease)
    return await asItIsNow(connection)
  }

  /** Somebody else brought new tokens, or the end, while this was going on, or is about to: theirs counts. */
  async function asItIsNow(connection: Connection): Promise<Tried> {
    const current = await connections.find(connection.id)
    if (current?.version === connection.version) return 'held elsewhere'
    if (!current || current.status === 'needs_reauthorization') {
      return { outcome: 'dead', connection: current ?? connection }
    }
    const accessToken = await sealer.open(current.sealedAccessToken, accessTokenPlace(current.id))
    return { outcome: 'refreshed', connection: current, accessToken }
  }
}

function reportOf(answer: TokenOutcome): PaceReport {
  if (answer.outcome === 'tokens') return 'answered'
  const { kind } = answer.failure
  return kind === 'transient' || kind === 'limited' ? answer.failure : 'answered'
}

/** Nothing came of it where the store failed. */
function nameOf(tried: Tried | undefined): AttemptSeen['outcome'] {
  if (tried === undefined) return 'not_stored'
  if (tried === 'held elsewhere' || tried.outcome === 'busy') return 'overtaken'
  return tried.outcome === 'failed' ? tried.failure.kind : tried.outcome
}

function about(connection: Connection) {
  return {
    actor: 'gateway',
    subjectId: connection.subjectId,
    provider: connection.provider,
    detail: { connection: connection.id },
  }
}
