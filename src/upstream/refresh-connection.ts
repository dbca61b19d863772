import { setTimeout } from 'node:timers/promises'
import { auditEvent } from '../audit/event.ts'
import { newId } from '../lib/secret.ts'
import type { Connection } from '../storage/connections.ts'
import type { RefreshLease, RefreshRest } from '../storage/refresh-leases.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import { createLateRefreshes, createPatience } from './late-refreshes.ts'
import type { Provider } from './provider.ts'
import type { ProviderPace } from './provider-pace.ts'
import { type AttemptParts, aboutRefresh, createAttempts } from './refresh-attempt.ts'
import type { Attempt, Refreshed, Tried } from './refresh-outcome.ts'
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
  /**
   * To be called every second: stores what the store would not take before, and keeps the leases of what goes on
   * although nobody waits for it.
   */
  tend(): Promise<void>
  /** Ends what is under way, whether anybody waits for it or not, and begins nothing more. */
  stop(): Promise<void>
  /** For whoever watches: how many connections this process is at, or waits for, and what it could not store. */
  underWay(): { held: number; waiting: number; late: number; unstored: number }
}

export type RefresherParts = AttemptParts & {
  pace: ProviderPace
  /** Seconds somebody waits for a provider to answer, and for the way there. */
  deadline: { answer: number; wayThere: number }
  /** How many refreshes may go on although nobody waits for them any more. */
  mostLate: number
}

/** Seconds a process may be held up, beyond the provider's deadline, before another takes over. */
const leaseReserve = 5
/** Seconds for which somebody who may live is given a chance to write down what it got; it tries every second. */
const handover = 3
const looksEachSecond = 10
/** What this process would lose with its life. While it is so much, it asks for nothing more. */
const mostUnwritten = 1000
/** Seconds after which somebody may ask again about a provider that is slow. */
const lateRetry = 5

/**
 * Refreshes connections, each by one process at a time: whoever asks meanwhile gets the same result, and a caller
 * that gives up does not stop it, nor does a provider that takes longer than anybody waits. After a failure that is
 * not the end the connection is left alone for a while, or as long as the provider asked.
 */
export function createRefresher(parts: RefresherParts): Refresher {
  const { connections, leases, pace, clock } = parts
  const deadline = parts.deadline.answer + parts.deadline.wayThere
  const attempts = createAttempts(parts)
  const late = createLateRefreshes({ leases, clock, most: parts.mostLate })
  const holder = newId('refresher_')
  const underWay = new Map<string, UnderWay>()
  let isStopping = false
  let waiting = 0
  let tending: Promise<void> | undefined

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
      if (late.has(connection)) return slow
      const refreshed = refresh(provider, connection, urgency).finally(() => underWay.delete(connection.id))
      underWay.set(connection.id, { urgency, refreshed })
      return await refreshed
    },

    tend,

    async stop() {
      isStopping = true
      const until = performance.now() + deadline * 1000
      while (hasWork() && performance.now() < until) {
        await atMost(1, Promise.allSettled(everything()))
        // What it says now is said by the last one, unless it is over by then.
        await atMost(1, tend()).catch(() => {})
        if (everything().length === 0 && hasWork()) await setTimeout(1000)
      }
      late.giveUp()
      await Promise.allSettled(everything())
      await tend()
    },

    underWay: () => ({
      held: underWay.size - waiting,
      waiting,
      late: late.ends().length,
      unstored: attempts.waiting.withTokens(),
    }),
  }

  function everything(): Promise<unknown>[] {
    return [...[...underWay.values()].map(({ refreshed }) => refreshed), ...late.ends()]
  }

  function hasWork(): boolean {
    return everything().length > 0 || attempts.waiting.ids().length > 0
  }

  /** One at a time, however long the store takes. */
  async function tend(): Promise<void> {
    tending ??= tendAll().finally(() => {
      tending = undefined
    })
    await tending
  }

  async function tendAll(): Promise<void> {
    const ids = attempts.waiting.ids()
    // One that cannot be written is in nobody's way.
    const done = await Promise.allSettled([late.renew(), ...ids.map(attempts.waiting.retry)])
    const failed = done.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }

  async function refresh(provider: Provider, asked: Connection, urgency: Urgency): Promise<Refreshed> {
    const looks = urgency === 'ahead' ? 1 : deadline * looksEachSecond
    const watch: Watch = { fence: 0, looks: 0 }
    let tried: Looked | undefined
    for (let look = 0; (look < looks || tried === 'left behind') && !isStopping; look++) {
      if (look > 0) await waitATurn()
      // Seen without the database: however many wait for a provider must not weigh on it.
      if (tried === 'no room' && !pace.hasRoom(provider.id)) continue
      tried = await tryOnce(provider, asked, watch)
      if (typeof tried !== 'string') return tried
    }
    return { outcome: 'busy', retryAfter: 1 }
  }

  async function waitATurn(): Promise<void> {
    waiting++
    await setTimeout(1000 / looksEachSecond)
    waiting--
  }

  async function tryOnce(provider: Provider, asked: Connection, watch: Watch): Promise<Looked> {
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
      expiresAt: now + deadline + leaseReserve,
      sentAt,
      attempts: tries,
      event: plan.step === 'send' ? auditEvent(now, sending) : undefined,
    }
    try {
      // A lease that ends too far ahead to be believed has ended.
      const lease = await leases.take(id, seen, intent, Math.max(now, seen?.expiresAt ?? 0))
      const patience = createPatience(parts.deadline.answer)
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

type UnderWay = { urgency: Urgency; refreshed: Promise<Refreshed> }

/**
 * `no room`: the provider is asked by as many as may. `left behind`: somebody sent the token, and may yet say what came
 * of it.
 */
type Looked = Tried | 'no room' | 'left behind'

type Wanted = Pick<Attempt, 'provider' | 'connection' | 'plan'> & { seen: RefreshLease | undefined }

/** How often in a row a lease was found left behind by the same holder. */
type Watch = { fence: number; looks: number }

function hasWatched(watch: Watch, seen: RefreshLease | undefined): boolean {
  const fence = seen?.fence ?? 0
  Object.assign(watch, { fence, looks: fence === watch.fence ? watch.looks + 1 : 1 })
  return watch.looks > handover * looksEachSecond
}

const slow: Refreshed = { outcome: 'failed', failure: { kind: 'transient' }, retryAfter: lateRetry }

function resting({ until, trouble: { kind } }: RefreshRest, now: number): Refreshed {
  return { outcome: 'failed', failure: { kind }, retryAfter: until - now }
}

async function atMost(seconds: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController()
  const time = setTimeout(seconds * 1000, undefined, { signal: timer.signal }).catch(() => {})
  await Promise.race([work, time])
  timer.abort()
}
