import { auditEvent } from '../audit/event.ts'
import { putBounded } from '../lib/bounded-map.ts'
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

/** What a provider answered to a refresh of this version of a connection, and when. */
type Answered = { read: Connection; tokens: UpstreamTokens; at: number }

/** Until when a connection or a provider is left alone, and why. */
type Rest = { until: number; failure: UpstreamFailure }

const mostRests = 10_000

/**
 * Refreshes connections, each at most once at a time in this process: whoever asks meanwhile gets the same
 * result, and a caller that gives up does not stop it. After a failure that is not the end the connection is
 * left alone for `backoff` seconds, or as long as the provider asked; after a rate limit the whole provider is,
 * for `backoff` seconds at most, since the limit may be this one person's.
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
  /** By connection or provider. */
  const resting = new Map<string, Rest>()
  /** By connection, answers the store did not take. A rotated token exists nowhere else, so they wait here. */
  const unstored = new Map<string, Answered>()

  return async (provider, connection) => {
    const running = underWay.get(connection.id)
    if (running) return await running
    const now = clock()
    const rest = unstored.has(connection.id) ? undefined : restOf(provider, connection, now)
    if (rest) return { outcome: 'failed', failure: rest.failure, retryAfter: rest.until - now }
    const started = refresh(provider, connection).finally(() => underWay.delete(connection.id))
    underWay.set(connection.id, started)
    return await started
  }

  function restOf(provider: Provider, connection: Connection, now: number): Rest | undefined {
    return [connection.id, ofProvider(provider)]
      .map((id) => resting.get(id))
      .find((rest) => rest !== undefined && rest.until > now)
  }

  async function refresh(provider: Provider, asked: Connection): Promise<Refreshed> {
    // The caller read its row before it came here; a refresh may have ended in between.
    const connection = await connections.find(asked.id)
    const waiting = unstored.get(asked.id)
    if (waiting && waiting.read.version === connection?.version) return await keep(provider, waiting)
    unstored.delete(asked.id)
    if (connection?.version !== asked.version) return await asItIsNow(asked)
    if (connection.sealedRefreshToken === null) throw new Error('nothing to refresh with')
    const refreshToken = await sealer.open(connection.sealedRefreshToken, refreshTokenPlace(connection.id))
    const answer = await parts.refreshTokens(provider, {
      refreshToken,
      scopes: connection.scopes,
      tokenEndpoint: connection.tokenEndpoint,
      upstreamSubject: connection.upstreamSubject,
    })
    if (answer.outcome === 'failed') return await fail(provider, connection, answer.failure)
    resting.delete(connection.id)
    return await keep(provider, { read: connection, tokens: answer.tokens, at: clock() })
  }

  /** A rotated token exists nowhere else: it is stored before anything else is done with the answer. */
  async function keep(provider: Provider, answered: Answered): Promise<Refreshed> {
    const { read: connection, tokens, at } = answered
    unstored.set(connection.id, answered)
    const sealed = await sealTokens(sealer, connection.id, tokens, at)
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
      auditEvent(at, { event: 'connection.refreshed', ...about(connection) }),
    )
    unstored.delete(connection.id)
    if (replaced) return { outcome: 'refreshed', connection: replaced, accessToken: tokens.accessToken }
    return await asItIsNow(connection)
  }

  async function fail(
    provider: Provider,
    connection: Connection,
    failure: UpstreamFailure,
  ): Promise<Refreshed> {
    const now = clock()
    if (failure.kind === 'reauth') {
      const dead = await connections.markDead(
        connection,
        { reason: failure.code, at: now },
        auditEvent(now, { event: 'connection.died', outcome: failure.code, ...about(connection) }),
      )
      return dead ? { outcome: 'dead', connection: dead } : await asItIsNow(connection)
    }
    const seconds = Math.max(1, failure.retryAfter ?? parts.backoff)
    putBounded(resting, connection.id, { until: now + seconds, failure }, mostRests)
    if (failure.kind === 'limited') {
      const until = now + Math.min(seconds, parts.backoff)
      putBounded(resting, ofProvider(provider), { until, failure }, mostRests)
    }
    return { outcome: 'failed', failure, retryAfter: seconds }
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
}

const ofProvider = ({ id }: Provider) => `provider ${id}`

function about(connection: Connection) {
  return {
    actor: 'gateway',
    subjectId: connection.subjectId,
    provider: connection.provider,
    detail: { connection: connection.id },
  }
}
