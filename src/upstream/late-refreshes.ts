import type { Clock } from '../lib/clock.ts'
import { FetchError } from '../lib/fetch-error.ts'
import type { Connection } from '../storage/connections.ts'
import type { RefreshLease } from '../storage/refresh-leases.ts'
import type { Store } from '../storage/store.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'

/** How long somebody waits for a provider, and the means to end what nobody waits for. */
export type Patience = {
  /** Resolves some seconds after `begin`, unless `end` was called before. */
  ranOut: Promise<'ran out'>
  begin(): void
  end(): void
  hasRunOut(): boolean
  /** Aborted by `giveUp`, as if the provider's time was over. */
  signal: AbortSignal
  giveUp(): void
}

export function createPatience(seconds: number): Patience {
  const { promise: ranOut, resolve } = Promise.withResolvers<'ran out'>()
  const abort = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const end = () => clearTimeout(timer)
  return {
    ranOut,
    begin() {
      end()
      timer = setTimeout(() => {
        isOver = true
        resolve('ran out')
      }, seconds * 1000)
    },
    end,
    hasRunOut: () => isOver,
    signal: abort.signal,
    giveUp: () => abort.abort(new FetchError('deadline', 'no answer while anybody waited')),
  }
}

/** A refresh that outlived those who waited for it. */
export type Late = { connection: Connection; lease: RefreshLease; patience: Patience }

export type LateRefreshes = {
  /** Whether it may go on. How it ends is told to nobody but `renew`. */
  admit(late: Late, ended: Promise<unknown>): boolean
  has(connection: Connection): boolean
  /** Sees to it that nobody sends the same refresh token meanwhile. Throws what refreshes that ended threw. */
  renew(): Promise<void>
  /** Resolves for each with its end. */
  ends(): Promise<void>[]
  giveUp(): void
}

/** Seconds for which a lease is renewed at a time, and what must be left of it. */
const renewal = 10
const renewedAhead = 5

/**
 * The refreshes whose provider takes longer than anybody waits. It may have rotated the token already, so the answer
 * is worth having whenever it comes; until then the lease is renewed, and says to everybody that the provider is slow.
 */
export function createLateRefreshes(parts: {
  leases: Store['refreshLeases']
  clock: Clock
  /** How many there may be. */
  most: number
}): LateRefreshes {
  const { leases, clock } = parts
  const all = new Set<Late & { ended: Promise<void>; leaseEndsAt: number }>()
  const faults: unknown[] = []

  return {
    admit(late, ended) {
      if (all.size >= parts.most) return false
      const entry = {
        ...late,
        leaseEndsAt: 0,
        ended: ended.then(
          () => void all.delete(entry),
          (error) => {
            all.delete(entry)
            // What the store did not take waits for it elsewhere.
            if (!(error instanceof StorageUnavailableError)) faults.push(error)
          },
        ),
      }
      all.add(entry)
      return true
    },

    has: ({ id, version, createdAt }) =>
      [...all].some(
        ({ connection }) =>
          connection.id === id && connection.version === version && connection.createdAt === createdAt,
      ),

    async renew() {
      const now = clock()
      for (const entry of all) {
        if (now < entry.leaseEndsAt - renewedAhead && entry.leaseEndsAt <= now + renewal) continue
        const until = now + renewal
        await leases.renew(entry.lease, { until, trouble: { kind: 'transient', code: 'deadline' } })
        entry.leaseEndsAt = until
      }
      if (faults.length > 0) throw faults.shift()
    },

    ends: () => [...all].map(({ ended }) => ended),

    giveUp() {
      for (const { patience } of all) patience.giveUp()
    },
  }
}
