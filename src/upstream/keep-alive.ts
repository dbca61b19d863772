import type { Clock } from '../lib/clock.ts'
import { SealError } from '../lib/seal.ts'
import type { Connection } from '../storage/connections.ts'
import type { Store } from '../storage/store.ts'
import { endsOf, refreshLifeOf } from './connection-ends.ts'
import type { FailureKind } from './descriptor.ts'
import { shareOf } from './fresh-token.ts'
import type { Provider } from './provider.ts'
import type { RefreshConnection } from './refresh-connection.ts'
import type { ProviderRegistry } from './registry.ts'

/** What a run came to at one provider: how often each outcome was. */
export type KeptAlive = { provider: string; outcomes: Partial<Record<TouchOutcome, number>> }

/** `refreshed`, by whomever; `dead` by the provider's word; `busy`: somebody else is at it; else what was in the way. */
export type TouchOutcome = 'refreshed' | 'dead' | 'busy' | 'unreadable' | FailureKind

export type KeepAlive = {
  run(): Promise<KeptAlive[]>
  /** Ends a run that is under way after the connection it is at. */
  stop(): Promise<void>
}

/** Connections of one provider that one run looks at, at most. */
const mostInRun = 500
/** The shares of its idle life after which a connection is touched: those made together part ways in between. */
const touched = { from: 3 / 5, to: 2 / 3 }

/**
 * Touches what ends when it is not used: every connection that a live token session may draw on is refreshed once
 * a third of its idle life is left, so that an outage costs nothing. Each run goes on behind the last connection the
 * run before it looked at, so that those which cannot be refreshed are in nobody's way. What nobody wants is left
 * to its end. Only one run at a time: whoever asks meanwhile is answered with that one.
 */
export function createKeepAlive(parts: {
  connections: Store['connections']
  connectionEnds: Store['connectionEnds']
  providers: ProviderRegistry
  refresh: RefreshConnection
  clock: Clock
}): KeepAlive {
  const { connections, connectionEnds, clock } = parts
  const cursors = new Map<string, string>()
  let underWay: Promise<KeptAlive[]> | undefined

  let isStopping = false

  return {
    run() {
      underWay ??= run().finally(() => {
        underWay = undefined
      })
      return underWay
    },
    async stop() {
      isStopping = true
      await Promise.allSettled([underWay])
    },
  }

  async function run(): Promise<KeptAlive[]> {
    const { providers } = await parts.providers.list()
    const kept: KeptAlive[] = []
    for (const provider of providers.filter(({ enabled }) => enabled)) {
      kept.push({ provider: provider.id, outcomes: await touchAll(provider) })
    }
    return kept
  }

  async function touchAll(provider: Provider): Promise<KeptAlive['outcomes']> {
    const outcomes: KeptAlive['outcomes'] = {}
    const { id, clientId, descriptor } = provider
    const cursor = cursors.get(id)
    const page = { limit: mostInRun, ...(cursor !== undefined && { cursor }) }
    const idle = await connectionEnds.listIdle(
      { provider: id, clientId, life: refreshLifeOf(descriptor) },
      clock(),
      page,
    )
    for (const each of idle) {
      if (isStopping) return outcomes
      cursors.set(id, each.id)
      const connection = await connections.find(each.id)
      if (!connection || !isDue(provider, connection)) continue
      const outcome = await touch(parts.refresh, provider, connection)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
    if (idle.length < mostInRun) cursors.delete(id)
    return outcomes
  }

  function isDue({ descriptor }: Provider, connection: Connection): boolean {
    const { idleEndsAt } = endsOf(connection, refreshLifeOf(descriptor))
    if (idleEndsAt === undefined) return false
    const share = touched.to - (touched.to - touched.from) * shareOf(connection)
    return clock() >= connection.refreshedAt + share * (idleEndsAt - connection.refreshedAt)
  }
}

/** Refreshes a connection that nobody asks for just now. */
export async function touch(
  refresh: RefreshConnection,
  provider: Provider,
  connection: Connection,
): Promise<TouchOutcome> {
  try {
    const refreshed = await refresh(provider, connection, 'ahead')
    return refreshed.outcome === 'failed' ? refreshed.failure.kind : refreshed.outcome
  } catch (error) {
    // Sealed under a key that is not configured: that of one connection says nothing of the others.
    if (error instanceof SealError) return 'unreadable'
    throw error
  }
}
