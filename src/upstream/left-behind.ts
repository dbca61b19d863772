import type { Clock } from '../lib/clock.ts'
import type { Store } from '../storage/store.ts'
import { touch } from './keep-alive.ts'
import type { RefreshConnection } from './refresh-connection.ts'
import type { ProviderRegistry } from './registry.ts'

export type LeftBehind = {
  /** Whether a refresh was begun of which nobody is there any more to say what came of it. */
  isThere(): Promise<boolean>
  /** Ends so many of them at once, the oldest first. */
  takeUp(): Promise<void>
}

/** Each may wait for its provider; this many do so together. */
const mostAtOnce = 50

/**
 * Goes on with refreshes whose process died between the question and what it made of the answer. A provider that takes a
 * refresh token again does so for a while, and the next one who wants the connection may come after that: so nobody is
 * waited for.
 */
export function createLeftBehind(parts: {
  connections: Store['connections']
  connectionEnds: Store['connectionEnds']
  providers: ProviderRegistry
  refresh: RefreshConnection
  clock: Clock
}): LeftBehind {
  const { connections, connectionEnds, providers, refresh, clock } = parts

  async function takeUpOne(id: string): Promise<void> {
    const connection = await connections.find(id)
    if (!connection) return
    const provider = await providers.find(connection.provider)
    if (!provider?.enabled || provider.clientId !== connection.upstreamClientId) return
    await touch(refresh, provider, connection)
  }

  return {
    async isThere() {
      return (await connectionEnds.listInterrupted(clock(), 1)).length > 0
    },
    async takeUp() {
      const left = await connectionEnds.listInterrupted(clock(), mostAtOnce)
      await Promise.all(left.map(({ id }) => takeUpOne(id)))
    },
  }
}
