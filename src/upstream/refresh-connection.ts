import { setTimeout } from 'node:timers/promises'
import { newId } from '../lib/secret.ts'
import type { Connection } from '../storage/connections.ts'
import type { RefreshLease, RefreshRest } from '../storage/refresh-leases.ts'
import type { Provider } from './provider.ts'
import type { ProviderPace } from './provider-pace.ts'
import {
  type Attempt,
  type AttemptParts,
  createAttempts,
  type Refreshed,
  type Tried,
} from './refresh-attempt.ts'
import { planRefresh } from './refresh-plan.ts'

/** `now`: the caller has nothing to go on with, and waits for whoever is at it. `ahead`: it has, and does not. */
export type Urgency = 'now' | 'ahead'

export type RefreshConnection = (
  provider: Provider,
  connection: Connection,
  urgency: Urgency,
) => Promise<Refreshed>

export type Refresher = {
  refresh: RefreshConnection
  /** Stores what the store would not take before; for as long as it does not, nothing is lost but by the process. */
  storeWaiting(): Promise<void>
  /** Ends what is under way, whether anybody waits for it or not, and begins nothing more. */
  stop(): Promise<void>
  /** For whoever watches: how many connections this process is at, or waits for, and what it could not store. */
  underWay(): { held: number; waiting: number; unstored: number }
}

export type RefresherParts = AttemptParts & {
  pace: ProviderPace
  /** Seconds a provider may take to answer, all in all. */
  deadline: number
}

/** Seconds a process may be held up, beyond the provider's deadline, before another takes over. */
const leaseReserve = 5
const looksEachSecond = 10

/**
 * Refreshes connections, each by one process at a time: whoever asks meanwhile gets the same result, and a caller
 * that gives up does not stop it. After a failure that is not the end the connection is left alone for a while, or as
 * long as the provider asked.
 */
export function createRefresher(parts: RefresherParts): Refresher {
  const { connections, leases, pace, clock } = parts
  const attempts = createAttempts(parts)
  const holder = newId('refresher_')
  const underWay = new Map<string, UnderWay>()
  let isStopping = false
  let waiting = 0

  return {
    async refresh(provider, connection, urgency) {
      for (;;) {
        const running = underWay.get(connection.id)
        if (!running) break
        const refreshed = await running.refreshed
        // Who only looked ahead gave up at once; who waited did so for everybody.
        const waitedLess = running.urgency === 'ahead' && urgency === 'now'
        if (refreshed.outcome !== 'busy' || !waitedLess) return refreshed
      }
      const refreshed = refresh(provider, connection, urgency).finally(() => underWay.delete(connection.id))
      underWay.set(connection.id, { urgency, refreshed })
      return await refreshed
    },

    storeWaiting,

    async stop() {
      isStopping = true
      await Promise.allSettled([...underWay.values()].map(({ refreshed }) => refreshed))
      await storeWaiting()
    },

    underWay: () => ({
      held: underWay.size - waiting,
      waiting,
      unstored: attempts.waiting().length,
    }),
  }

  async function storeWaiting(): Promise<void> {
    for (const id of attempts.waiting().filter((waiting) => !underWay.has(waiting))) {
      await attempts.storeWaiting(id, await connections.find(id))
    }
  }

  async function refresh(provider: Provider, asked: Connection, urgency: Urgency): Promise<Refreshed> {
    const looks = urgency === 'ahead' ? 1 : parts.deadline * looksEachSecond
    let tried: Looked | undefined
    for (let look = 0; look < looks && !isStopping; look++) {
      if (look > 0) await pause()
      // Seen without the database: however many wait for a provider must not weigh on it.
      if (tried === 'no room' && !pace.hasRoom(provider.id)) continue
      tried = await tryOnce(provider, asked)
      if (tried !== 'held elsewhere' && tried !== 'no room') return tried
    }
    return { outcome: 'busy', retryAfter: 1 }
  }

  async function pause(): Promise<void> {
    waiting++
    await setTimeout(1000 / looksEachSecond)
    waiting--
  }

  async function tryOnce(provider: Provider, asked: Connection): Promise<Looked> {
    // First the lease: a refresh that ends once it was seen changes it, and it cannot be taken any more.
    const seen = await leases.find(asked.id)
    // The caller read its row before it came here; a refresh may have ended in between.
    const connection = await connections.find(asked.id)
    const stored = await attempts.storeWaiting(asked.id, connection)
    if (stored) return stored
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
        return await inPace(provider, now, () => take({ provider, connection, seen, plan, now }))
      case 'read':
      case 'give up': {
        const attempt = await take({ provider, connection, seen, plan, now })
        return attempt ? await attempts.carryOut(attempt) : 'held elsewhere'
      }
    }
  }

  /** Asks the provider if it may be asked now, and remembers what came of it. */
  async function inPace(
    provider: Provider,
    now: number,
    begin: () => Promise<Attempt | undefined>,
  ): Promise<Looked> {
    const admission = pace.enter(provider.id)
    if (admission.step === 'wait') return 'no room'
    if (admission.step === 'rest') return resting(admission, now)
    let attempt: Attempt | undefined
    try {
      attempt = await begin()
      return attempt ? await attempts.carryOut(attempt) : 'held elsewhere'
    } finally {
      pace.leave(provider.id, attempt?.report ?? 'not asked')
    }
  }

  /** Takes the lease, and says with it what is about to be sent. `undefined`: somebody else was faster. */
  async function take({ provider, connection, seen, plan, now }: Wanted): Promise<Attempt | undefined> {
    const { sentAt, attempts: tries } = plan.step === 'send' ? plan : (seen ?? { sentAt: null, attempts: 0 })
    const { version } = connection
    const expiresAt = now + parts.deadline + leaseReserve
    const intent = { holder, version, expiresAt, sentAt, attempts: tries }
    const lease = await leases.take(connection.id, seen, intent, now)
    const sendBefore = now + leaseReserve
    return lease && { provider, connection, lease, plan, sendBefore, report: 'not asked' }
  }
}

type UnderWay = { urgency: Urgency; refreshed: Promise<Refreshed> }

/** `no room`: the provider is asked by as many as may. */
type Looked = Tried | 'no room'

type Wanted = Pick<Attempt, 'provider' | 'connection' | 'plan'> & {
  seen: RefreshLease | undefined
  now: number
}

function resting({ until, trouble: { kind } }: RefreshRest, now: number): Tried {
  return { outcome: 'failed', failure: { kind }, retryAfter: until - now }
}
