import { auditEvent } from '../audit/event.ts'
import { putBounded } from '../lib/bounded-map.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/seal.ts'
import { equalSecrets, sha256 } from '../lib/secret.ts'
import type { Connection } from '../storage/connections.ts'
import type { Store } from '../storage/store.ts'
import { accessTokenPlace } from './connection-record.ts'
import type { Provider } from './provider.ts'
import type { RefreshConnection, Urgency } from './refresh-connection.ts'
import type { Refreshed } from './refresh-outcome.ts'
import type { Probe, ProbeVerdict } from './tokens.ts'

export type TokenWish = {
  /** Seconds of life the caller wants; granted up to an hour or half the token's lifetime. */
  minTtl: number
  /** SHA-256, base64url, of a token the provider refused. */
  rejected?: string
}

export type FreshToken =
  | {
      outcome: 'token'
      accessToken: string
      expiresIn: number | undefined
      connection: Connection
      /** Whether a provider was waited for: what the caller knew before may no longer be true. */
      waited: boolean
    }
  | { outcome: 'needs_reauthorization'; since: number; reason: string }
  | { outcome: 'misconfigured' }
  | { outcome: 'limited' | 'unavailable' | 'busy'; retryAfter: number }

export type FreshTokens = (provider: Provider, connection: Connection, wish: TokenWish) => Promise<FreshToken>

const longestWish = 3600
const mostRejections = 10_000
/** How much earlier than the margin some connections are refreshed, so that those made together part ways. */
const spread = 0.2

/**
 * Hands out connections' access tokens, refreshed `margin` seconds before they end. Only the provider's own
 * word ends a connection; through everything else a token that still lives is served. Rejections cost a
 * provider one refresh a token it issued by itself, and after that one question in `backoff` seconds.
 */
export function createFreshTokens(parts: {
  connections: Store['connections']
  leases: Pick<Store['refreshLeases'], 'find' | 'noteBought'>
  sealer: Sealer
  refresh: RefreshConnection
  probe: Probe
  clock: Clock
  margin: number
  backoff: number
}): FreshTokens {
  const { connections, leases, sealer, clock } = parts
  /** By connection, what the provider said of a rejected token, or is being asked. */
  const verdicts = new Map<string, { tokenHash: string; until: number; verdict: Promise<ProbeVerdict> }>()

  return async (provider, connection, wish) => {
    const end = endOf(provider, connection)
    if (end) return end
    const accessToken = await sealer.open(connection.sealedAccessToken, accessTokenPlace(connection.id))
    const isRejected = wish.rejected !== undefined && equalSecrets(wish.rejected, sha256(accessToken))
    if (isRejected) return await replace(provider, connection, accessToken)
    if (!isDue(connection, wish.minTtl)) return { ...serve(connection, accessToken), waited: false }
    if (connection.sealedRefreshToken === null) return serveWhileItLives(connection, accessToken)
    const urgency = remainingOf(connection) > 0 ? 'ahead' : 'now'
    return settle(await renew(provider, connection, urgency), connection, accessToken)
  }

  /** An answer that a crash left unread may have waited for longer than its token lives. */
  async function renew(provider: Provider, connection: Connection, urgency: Urgency): Promise<Refreshed> {
    const refreshed = await parts.refresh(provider, connection, urgency)
    if (refreshed.outcome !== 'refreshed' || remainingOf(refreshed.connection) > 0) return refreshed
    if (refreshed.connection.sealedRefreshToken === null) return refreshed
    return await parts.refresh(provider, refreshed.connection, 'now')
  }

  /** The provider refused the stored token: one refresh; where that cannot help, its identity endpoint decides. */
  async function replace(provider: Provider, connection: Connection, refused: string): Promise<FreshToken> {
    if (connection.sealedRefreshToken !== null && !(await wasBought(connection))) {
      const refreshed = await renew(provider, connection, 'now')
      if (refreshed.outcome === 'refreshed') await leases.noteBought(refreshed.connection)
      const isTrouble = refreshed.outcome === 'failed' || refreshed.outcome === 'busy'
      return isTrouble ? trouble(refreshed) : settle(refreshed, connection, refused)
    }
    if ((await ask(provider, connection, refused)) !== 'rejected') {
      return serveWhileItLives(connection, refused)
    }
    const now = clock()
    const dead = await connections.markDead(
      connection,
      { reason: 'rejected_by_provider', at: now },
      auditEvent(now, {
        event: 'connection.died',
        actor: 'gateway',
        outcome: 'rejected_by_provider',
        subjectId: connection.subjectId,
        provider: connection.provider,
        detail: { connection: connection.id },
      }),
    )
    const current = dead ?? (await connections.find(connection.id))
    if (current?.status === 'needs_reauthorization') return deadOf(current)
    // Where new tokens came in the meantime, they are what the caller should try next.
    return { outcome: 'unavailable', retryAfter: 1 }
  }

  /** In whichever process: where each knew only of its own, two would take turns, and ask for tokens without end. */
  async function wasBought({ id, version }: Connection): Promise<boolean> {
    return (await leases.find(id))?.boughtVersion === version
  }

  /** Asks the provider once for everybody, and not again for a while. */
  function ask(
    provider: Provider,
    { id, tokenEndpoint }: Connection,
    refused: string,
  ): Promise<ProbeVerdict> {
    const tokenHash = sha256(refused)
    const known = verdicts.get(id)
    if (known?.tokenHash === tokenHash && known.until > clock()) return known.verdict
    const verdict = parts.probe(provider, refused, tokenEndpoint)
    // What failed for a reason of ours says nothing about the token.
    verdict.catch(() => verdicts.delete(id))
    putBounded(verdicts, id, { tokenHash, until: clock() + parts.backoff, verdict }, mostRejections)
    return verdict
  }

  function settle(refreshed: Refreshed, before: Connection, accessToken: string): FreshToken {
    switch (refreshed.outcome) {
      case 'refreshed':
        return serve(refreshed.connection, refreshed.accessToken)
      case 'dead':
        return deadOf(refreshed.connection)
      case 'failed':
      case 'busy':
        return remainingOf(before) > 0 ? serve(before, accessToken) : trouble(refreshed)
    }
  }

  function isDue(connection: Connection, minTtl: number): boolean {
    const half = (connection.accessLifetime ?? 0) / 2
    const ahead = parts.margin * (1 + spread * shareOf(connection))
    const wanted = Math.max(Math.min(minTtl, longestWish, half), Math.min(ahead, half))
    return remainingOf(connection) < Math.max(wanted, 1)
  }

  /** Without an end there is always more than anybody asks for. */
  function remainingOf(connection: Connection): number {
    return connection.accessExpiresAt === null
      ? Number.POSITIVE_INFINITY
      : connection.accessExpiresAt - clock()
  }

  function serve(connection: Connection, accessToken: string): Extract<FreshToken, { outcome: 'token' }> {
    const remaining = remainingOf(connection)
    const expiresIn = Number.isFinite(remaining) ? Math.max(0, remaining) : undefined
    return { outcome: 'token', accessToken, expiresIn, connection, waited: true }
  }

  function serveWhileItLives(connection: Connection, accessToken: string): FreshToken {
    if (remainingOf(connection) > 0) return serve(connection, accessToken)
    return {
      outcome: 'needs_reauthorization',
      since: connection.accessExpiresAt ?? connection.statusSince,
      reason: 'expired',
    }
  }
}

/** From 0 to 1, and for one connection always the same. */
export function shareOf({ id }: Connection): number {
  return Buffer.from(sha256(id), 'base64url').readUInt16BE() / 0xffff
}

/** Why a connection cannot give a token at all, whatever its tokens say. */
function endOf(provider: Provider, connection: Connection): FreshToken | undefined {
  if (connection.status === 'needs_reauthorization') return deadOf(connection)
  // Tokens of another upstream client must not be sent as this one's, and cannot be refreshed by it.
  if (connection.upstreamClientId !== provider.clientId) {
    return { outcome: 'needs_reauthorization', since: connection.refreshedAt, reason: 'provider_changed' }
  }
  return undefined
}

function deadOf(connection: Connection): FreshToken {
  return {
    outcome: 'needs_reauthorization',
    since: connection.statusSince,
    reason: connection.statusReason ?? 'disconnected',
  }
}

function trouble(failed: Extract<Refreshed, { outcome: 'failed' | 'busy' }>): FreshToken {
  if (failed.outcome === 'busy') return failed
  switch (failed.failure.kind) {
    case 'config':
      return { outcome: 'misconfigured' }
    case 'limited':
      return { outcome: 'limited', retryAfter: failed.retryAfter }
    default:
      return { outcome: 'unavailable', retryAfter: failed.retryAfter }
  }
}
