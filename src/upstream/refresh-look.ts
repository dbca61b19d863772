import { auditEvent } from '../audit/event.ts'
import type { Connection } from '../storage/connections.ts'
import type { RefreshLease, RefreshRest } from '../storage/refresh-leases.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import { createPatience, type LateRefreshes } from './late-refreshes.ts'
import type { Provider } from './provider.ts'
import type { ProviderPace } from './provider-pace.ts'
import type { AttemptParts, Attempts } from './refresh-attempt.ts'
import { aboutRefresh } from './refresh-conclusion.ts'
import type { Attempt, Refreshed, Tried } from './refresh-outcome.ts'
import { planRefresh } from './refresh-plan.ts'

export type LookParts = Pick<AttemptParts, 'connections' | 'leases' | 'clock'> & {
  pace: ProviderPace
  /** Seconds somebody waits for a provider to answer, and for the way there. */
  deadline: { answer: number; wayThere: number }
}

/** Seconds a process may be held up, beyond the provider's deadline, before another takes over. */
const leaseReserve = 5
/** Seconds for which somebody who may live is given a chance to write down what it got; it tries every second. */
const handover = 3
export const looksEachSecond = 10
/** What this process would lose with its life. While it is so much, it asks for nothing more. */
const mostUnwritten = 1000
/** Seconds after which somebody may ask again about a provider that is slow. */
const lateRetry = 5

/**
 * One look at a connection that wants new tokens: does what may be done about it now, by whoever looks as `holder`, or
 * says what to wait for.
 */
export function createLook(
  { connections, leases, pace, clock, deadline }: LookParts,
  { attempts, late, holder }: { attempts: Attempts; late: LateRefreshes; holder: string },
) {
  const leaseLifetime = deadline.answer + deadline.wayThere + leaseReserve

  return async (provider: Provider, asked: Connection, watch: Watch): Promise<Looked> => {
    const written = await attempts.waiting.retry(asked.id)
    if (written !== undefined && written !== 'held elsewhere' && written.outcome !== 'failed') return written
    // First the lease: a refresh that ends once it was seen changes it, and it cannot be taken any more.
    const seen = await leases.find(asked.id)
    // The caller read its row before it came here; a refresh may have ended in between.
    const connection = await connections.find(asked.id)
    if (connection?.version !== asked.version) return await attempts.asItIsNow(asked)
    const now = clock()
    const reuseWindow = provider.descriptor.refresh.reuse_window
    const { version } = connection
    const plan = planRefresh(seen, { version, holder, reuseWindow }, now)
    switch (plan.step) {
      case 'wait':
        return 'held elsewhere'
      case 'rest':
        return resting(plan, now)
      case 'send':
        if (plan.unsure && !hasWatched(watch, seen)) return 'left behind'
        if (attempts.waiting.ids().length >= mostUnwritten) return 'no room'
        return await inPace(provider, connection, () => take({ provider, connection, seen, plan }))
      case 'give up':
        if (plan.unsure && !hasWatched(watch, seen)) return 'left behind'
        return await carryOut(take({ provider, connection, seen, plan }))
      case 'read':
        return await carryOut(take({ provider, connection, seen, plan }))
    }
  }

  async function carryOut(taken: Promise<Attempt | undefined>): Promise<Looked> {
    const attempt = await taken
    return attempt ? await attempts.carryOut(attempt) : 'held elsewhere'
  }

  /** Asks the provider if it may be asked now, and remembers what came of it. */
  async function inPace(
    provider: Provider,
    connection: Connection,
    begin: () => Promise<Attempt | undefined>,
  ): Promise<Looked> {
    const admission = pace.enter(provider.id)
    if (admission.step === 'wait') return 'no room'
    if (admission.step === 'rest') return resting(admission, clock())
    let attempt: Attempt | undefined
    try {
      attempt = await begin()
      return attempt ? await whileAnybodyWaits(attempt) : 'held elsewhere'
    } finally {
      pace.leave(provider.id, attempt?.report ?? 'not asked', connection.id)
    }
  }

  /** To those who wait, a provider that is slow is one that is down; the refresh itself goes on. */
  async function whileAnybodyWaits(attempt: Attempt): Promise<Tried> {
    const ended = attempts.carryOut(attempt)
    const first = await Promise.race([ended, attempt.patience.ranOut])
    if (first !== 'ran out') return first
    if (!late.admit(attempt, ended)) {
      attempt.patience.giveUp()
      return await ended
    }
    attempt.report = { kind: 'transient', code: 'deadline' }
    const heard = () => {
      if (attempt.report === 'answered') pace.heard(attempt.provider.id)
    }
    // What it threw is told by those who are late.
    ended.then(heard, heard)
    return slow
  }

  /** Takes the lease, and says with it what is about to be sent. `undefined`: somebody else was faster. */
  async function take({ provider, connection, seen, plan }: Wanted): Promise<Attempt | undefined> {
    const { sentAt, attempts: tries } = plan.step === 'send' ? plan : (seen ?? { sentAt: null, attempts: 0 })
    const unknown = tries > 1 ? { sentAt, attempts: tries - 1 } : undefined
    const { version, id } = connection
    const refreshToken = await attempts.open(connection)
    const now = clock()
    const fence = (seen?.fence ?? 0) + 1
    const sending = { event: 'connection.refreshing', ...aboutRefresh(connection, { fence }) } as const
    const intent = {
      holder,
      version,
      expiresAt: now + leaseLifetime,
      sentAt,
      attempts: tries,
      event: plan.step === 'send' ? auditEvent(now, sending) : undefined,
    }
    try {
      // A lease that ends too far ahead to be believed has ended.
      const lease = await leases.take(id, seen, intent, Math.max(now, seen?.expiresAt ?? 0))
      const patience = createPatience(deadline.answer)
      const asked = { provider, connection, refreshToken, plan, unknown, patience }
      return lease && { ...asked, lease, sendBefore: now + leaseReserve, report: 'not asked' }
    } catch (error) {
      // It may be taken all the same, and must not look as if something had been sent.
      if (error instanceof StorageUnavailableError)
        attempts.undo({ connectionId: id, fence, holder }, unknown)
      throw error
    }
  }
}

/**
 * `no room`: the provider is asked by as many as may. `left behind`: somebody sent the token, and may yet say what came
 * of it.
 */
export type Looked = Tried | 'no room' | 'left behind'

type Wanted = Pick<Attempt, 'provider' | 'connection' | 'plan'> & { seen: RefreshLease | undefined }

/** How often in a row a lease was found left behind by the same holder. */
export type Watch = { fence: number; looks: number }

function hasWatched(watch: Watch, seen: RefreshLease | undefined): boolean {
  const fence = seen?.fence ?? 0
  Object.assign(watch, { fence, looks: fence === watch.fence ? watch.looks + 1 : 1 })
  return watch.looks > handover * looksEachSecond
}

export const slow: Refreshed = { outcome: 'failed', failure: { kind: 'transient' }, retryAfter: lateRetry }

function resting({ until, trouble: { kind } }: RefreshRest, now: number): Refreshed {
  return { outcome: 'failed', failure: { kind }, retryAfter: until - now }
}
