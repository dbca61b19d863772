import { setTimeout } from 'node:timers/promises'
import type { Connection } from '../storage/connections.ts'
import { createLateRefreshes } from './late-refreshes.ts'
import type { Provider } from './provider.ts'
import { type AttemptParts, createAttempts } from './refresh-attempt.ts'
import { createLook, type Looked, type LookParts, looksEachSecond, slow, type Watch } from './refresh-look.ts'
import type { Refreshed } from './refresh-outcome.ts'

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

export type RefresherParts = AttemptParts &
  LookParts & {
    /** This process, among all on the database. */
    holder: string
    /** How many refreshes may go on although nobody waits for them any more. */
    mostLate: number
  }

/**
 * Refreshes connections, each by one process at a time: whoever asks meanwhile gets the same result, and a caller
 * that gives up does not stop it, nor does a provider that takes longer than anybody waits. After a failure that is
 * not the end the connection is left alone for a while, or as long as the provider asked.
 */
export function createRefresher(parts: RefresherParts): Refresher {
  const { leases, pace, clock } = parts
  const deadline = parts.deadline.answer + parts.deadline.wayThere
  const attempts = createAttempts(parts)
  const late = createLateRefreshes({ leases, clock, most: parts.mostLate })
  const look = createLook(parts, { attempts, late, holder: parts.holder })
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
    for (let turn = 0; (turn < looks || tried === 'left behind') && !isStopping; turn++) {
      if (turn > 0) await waitATurn()
      // Seen without the database: however many wait for a provider must not weigh on it.
      if (tried === 'no room' && !pace.hasRoom(provider.id)) continue
      tried = await look(provider, asked, watch)
      if (typeof tried !== 'string') return tried
    }
    return { outcome: 'busy', retryAfter: 1 }
  }

  async function waitATurn(): Promise<void> {
    waiting++
    await setTimeout(1000 / looksEachSecond)
    waiting--
  }
}

type UnderWay = { urgency: Urgency; refreshed: Promise<Refreshed> }

async function atMost(seconds: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController()
  const time = setTimeout(seconds * 1000, undefined, { signal: timer.signal }).catch(() => {})
  await Promise.race([work, time])
  timer.abort()
}
