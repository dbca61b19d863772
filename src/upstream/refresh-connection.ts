import { auditEvent } from '../audit/event.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Connection } from '../storage/connections.ts'
import type { Store } from '../storage/store.ts'
import { accessTokenPlace, refreshTokenPlace, sealTokens } from './connection-record.ts'
import type { Provider } from './provider.ts'
import type { RefreshTokens, UpstreamFailure, UpstreamTokens } from './tokens.ts'

export type Refreshed =
  | { outcome: 'refreshed'; connection: Connection; accessToken: string }
  | { outcome: 'dead'; connection: Connection }
  | { outcome: 'failed'; failure: UpstreamFailure; retryAfter: number }

export type RefreshConnection = (provider: Provider, connection: Connection) => Promise<Refreshed>

/**
 * Refreshes connections, each at most once at a time in this process: whoever asks meanwhile gets the same
 * result, and a caller that gives up does not stop it. After a failure that is not the end the provider is
 * left alone for `backoff` seconds, or as long as it asked.
 */
export function createRefreshConnection(parts: {
  connections: Store['connections']
  sealer: Sealer
  refreshTokens: RefreshTokens
  clock: Clock
  backoff: number
}): RefreshConnection {
  const { connections, sealer, clock } = parts
  const underWay = new Map<string, Promise<Refreshed>>()
  const resting = new Map<string, { until: number; failure: UpstreamFailure }>()

  return async (provider, connection) => {
    const running = underWay.get(connection.id)
    if (running) return await running
    const rest = resting.get(connection.id)
    const now = clock()
    if (rest && rest.until > now) {
      return { outcome: 'failed', failure: rest.failure, retryAfter: rest.until - now }
    }
    const started = refresh(provider, connection).finally(() => underWay.delete(connection.id))
    underWay.set(connection.id, started)
    return await started
  }

  async function refresh(provider: Provider, asked: Connection): Promise<Refreshed> {
    // The caller read its row before it came here; a refresh may have ended in between.
    const connection = (await connections.find(asked.id)) ?? asked
    if (connection.version !== asked.version) return await asItIsNow(connection)
    if (connection.sealedRefreshToken === null) throw new Error('nothing to refresh with')
    const refreshToken = await sealer.open(connection.sealedRefreshToken, refreshTokenPlace(connection.id))
    const answer = await parts.refreshTokens(provider, {
      refreshToken,
      scopes: connection.scopes,
      tokenEndpoint: connection.tokenEndpoint,
      upstreamSubject: connection.upstreamSubject,
    })
    if (answer.outcome === 'tokens') {
      resting.delete(connection.id)
      return await keep(provider, connection, answer.tokens)
    }
    return await fail(connection, answer.failure)
  }

  /** A rotated token exists nowhere else: it is stored before anything else is done with the answer. */
  async function keep(
    provider: Provider,
    connection: Connection,
    tokens: UpstreamTokens,
  ): Promise<Refreshed> {
    const now = clock()
    const sealed = await sealTokens(sealer, connection.id, tokens, now)
    const keepsOld = sealed.sealedRefreshToken === null && provider.descriptor.refresh.when_absent === 'keep'
    const stored = keepsOld
      ? {
          ...sealed,
          sealedRefreshToken: connection.sealedRefreshToken,
          refreshExpiresAt: connection.refreshExpiresAt,
        }
      : sealed
    const replaced = await connections.replaceTokens(
      connection,
      stored,
      auditEvent(now, { event: 'connection.refreshed', ...about(connection) }),
    )
    if (replaced) return { outcome: 'refreshed', connection: replaced, accessToken: tokens.accessToken }
    return await asItIsNow(connection)
  }

  async function fail(connection: Connection, failure: UpstreamFailure): Promise<Refreshed> {
    const now = clock()
    if (failure.kind === 'reauth') {
      const dead = await connections.markDead(
        connection,
        { reason: failure.code, at: now },
        auditEvent(now, { event: 'connection.died', outcome: failure.code, ...about(connection) }),
      )
      return dead ? { outcome: 'dead', connection: dead } : await asItIsNow(connection)
    }
    const until = now + Math.max(1, failure.retryAfter ?? parts.backoff)
    if (resting.size > 10_000) forgetRested(now)
    resting.set(connection.id, { until, failure })
    return { outcome: 'failed', failure, retryAfter: until - now }
  }

  /** Somebody else brought new tokens, or the end, while this was going on: theirs counts. */
  async function asItIsNow(connection: Connection): Promise<Refreshed> {
    const current = await connections.find(connection.id)
    if (!current || current.status === 'needs_reauthorization') {
      return { outcome: 'dead', connection: current ?? connection }
    }
    const accessToken = await sealer.open(current.sealedAccessToken, accessTokenPlace(current.id))
    return { outcome: 'refreshed', connection: current, accessToken }
  }

  function forgetRested(now: number): void {
    for (const [id, rest] of resting) if (rest.until <= now) resting.delete(id)
  }
}

function about(connection: Connection) {
  return {
    actor: 'gateway',
    subjectId: connection.subjectId,
    provider: connection.provider,
    detail: { connection: connection.id },
  }
}
