import { auditEvent, type EventFacts } from '../audit/event.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/seal.ts'
import type { NewAuditEvent } from '../storage/audit-events.ts'
import type { Connection, StoredTokens } from '../storage/connections.ts'
import type { HeldLease, RefreshLease, RefreshRest, Unknown } from '../storage/refresh-leases.ts'
import type { Store } from '../storage/store.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import { accessTokenPlace, refreshTokenPlace, sealTokens } from './connection-record.ts'
import type { Attempt, Tried } from './refresh-outcome.ts'
import type { RevocationQueue } from './revocation-queue.ts'
import type { RefreshOutcome, RotatedToken, UpstreamFailed, UpstreamTokens } from './tokens.ts'
import { createWaitingWrites } from './waiting-writes.ts'

export type ConclusionParts = {
  connections: Store['connections']
  leases: Store['refreshLeases']
  sealer: Sealer
  /** For tokens that came too late to be kept. */
  discard: RevocationQueue['discard']
  clock: Clock
  /** Seconds a connection is left alone after a failure that is not the end. */
  backoff: number
}

/** When an answer came, and whether the store has at least that; `giveBack` is for one without new tokens. */
export type Answered = {
  at: number
  isStored: boolean
  giveBack(lease: RefreshLease, rest: RefreshRest, event: NewAuditEvent): Promise<void>
}

/** Without a refresh token where the one that is stored stays. */
type NewTokens = Pick<StoredTokens, 'sealedAccessToken'> & Partial<StoredTokens>

/**
 * Stores what came of a refresh, unless its holder was overtaken. What is known and the store would not take waits.
 */
export function createConclusions({ connections, leases, sealer, clock, ...parts }: ConclusionParts) {
  const waiting = createWaitingWrites<Tried>()

  return {
    conclude,
    bury,
    asItIsNow,
    outcomeOf,
    waiting,

    /** Gives a lease back of which nobody knows whether it was taken. Nothing was sent. */
    undo(lease: HeldLease, unknown: Unknown | undefined): void {
      waiting.later(lease.connectionId, {
        holds: 'word',
        async carryOut() {
          await leases.release(lease, { unknown })
          return 'held elsewhere'
        },
      })
    },
  }

  async function conclude(attempt: Attempt, answer: RefreshOutcome, answered: Answered): Promise<Tried> {
    if (answer.outcome === 'tokens') return await keep(attempt, answer.tokens, answered)
    if (answer.failure.kind === 'reauth') return await bury(attempt, answer.failure.code)
    return await fail(attempt, answer, answered)
  }

  /**
   * Stores new tokens. Where the store does not take them although it has the answer they came in, they are handed
   * out, and whoever comes next stores them; where it has neither, nobody gets them before it does.
   */
  async function keep(attempt: Attempt, tokens: UpstreamTokens, { at, isStored }: Answered): Promise<Tried> {
    const { connection, provider } = attempt
    const { sealedRefreshToken, refreshExpiresAt, ...rest } = await sealTokens(
      sealer,
      connection.id,
      tokens,
      at,
    )
    const keepsOld = sealedRefreshToken === null && provider.descriptor.refresh.when_absent === 'keep'
    // The old one stays as it is by now: it may have been wrapped by another master key since it was read.
    const stored = keepsOld ? rest : { ...rest, sealedRefreshToken, refreshExpiresAt }
    const carryOut = () => replace(attempt, tokens, stored)
    if (!isStored) return await waiting.write(connection.id, { holds: 'tokens', carryOut })
    return await carryOut().catch((error) => {
      if (!(error instanceof StorageUnavailableError)) throw error
      const { accessToken } = tokens
      return { outcome: 'refreshed', connection: { ...connection, ...stored }, accessToken }
    })
  }

  async function replace(attempt: Attempt, tokens: UpstreamTokens, stored: NewTokens): Promise<Tried> {
    const { provider, connection, lease } = attempt
    const event = outcomeOf(attempt, 'ok')
    const replaced = await connections.replaceTokens(connection, lease, stored, event)
    const current = replaced ?? (await connections.find(connection.id))
    // What the store took before, and only did not say so, is there as well.
    if (current && current.sealedAccessToken === stored.sealedAccessToken) {
      return { outcome: 'refreshed', connection: current, accessToken: tokens.accessToken }
    }
    // First: what the lease holds is the only copy until they are queued.
    if (!isSameGrant(connection, current)) {
      const { issuer, upstreamSubject: subject, subjectId } = connection
      await parts.discard(provider, { tokens, identity: { issuer, subject }, subjectId })
    }
    await leases.conclude(lease, {}, outcomeOf(attempt, 'overtaken'))
    return await asItIsNow(connection)
  }

  async function fail(
    attempt: Attempt,
    { failure, rotated }: UpstreamFailed & { rotated?: RotatedToken },
    { at, giveBack }: Answered,
  ): Promise<Tried> {
    const { connection, lease } = attempt
    const { kind, code, retryAfter = parts.backoff } = failure
    const rest = { until: clock() + retryAfter, trouble: { kind, code } }
    const kept = rotated && (await sealRotated(connection, rotated, at))
    const event = outcomeOf(attempt, code)
    const carryOut = async (): Promise<Tried> => {
      if (kept) await connections.replaceTokens(connection, lease, kept, event, rest)
      else await giveBack(lease, rest, event)
      return { outcome: 'failed', failure: { kind }, retryAfter }
    }
    return await waiting
      .write(connection.id, { holds: kept ? 'tokens' : 'word', carryOut })
      .catch((error): Tried => {
        // It is known all the same, and will be told to the store.
        if (!(error instanceof StorageUnavailableError)) throw error
        return { outcome: 'failed', failure: { kind }, retryAfter }
      })
  }

  /** An access token nobody can use says nothing against the refresh token that came with it. */
  async function sealRotated(
    { id }: Connection,
    { refreshToken, refreshExpiresIn }: RotatedToken,
    at: number,
  ) {
    return {
      sealedRefreshToken: await sealer.seal(refreshToken, refreshTokenPlace(id)),
      refreshExpiresAt: refreshExpiresIn === undefined ? null : at + refreshExpiresIn,
      refreshedAt: at,
    }
  }

  async function bury(attempt: Attempt, reason: string): Promise<Tried> {
    const { connection, lease } = attempt
    const overtaken = outcomeOf(attempt, 'overtaken')
    const carryOut = async (): Promise<Tried> => {
      const now = clock()
      const died = { event: 'connection.died', outcome: reason, ...aboutRefresh(connection, lease) } as const
      const event = auditEvent(now, died)
      const dead = await connections.markDead(connection, { reason, at: now }, event, lease)
      if (dead) return { outcome: 'dead', connection: dead }
      await leases.conclude(lease, {}, overtaken)
      return await asItIsNow(connection)
    }
    return await waiting.write(connection.id, { holds: 'word', carryOut })
  }

  function outcomeOf({ connection, lease }: Attempt, outcome: string): NewAuditEvent {
    return auditEvent(clock(), {
      event: 'connection.refreshed',
      outcome,
      ...aboutRefresh(connection, lease),
    })
  }

  /** Somebody else brought new tokens, or the end, while this was going on, or is about to: theirs counts. */
  async function asItIsNow(connection: Connection): Promise<Tried> {
    const current = await connections.find(connection.id)
    if (current?.version === connection.version) return 'held elsewhere'
    if (!current || current.status === 'needs_reauthorization') {
      return { outcome: 'dead', connection: current ?? connection }
    }
    const accessToken = await sealer.open(current.sealedAccessToken, accessTokenPlace(current.id))
    return { outcome: 'refreshed', connection: current, accessToken }
  }
}

/** Whether another refresh overtook this one: then both got their tokens from one grant, and revoking may end it. */
function isSameGrant(before: Connection, current: Connection | undefined): boolean {
  return (
    current !== undefined &&
    current.status === 'live' &&
    current.createdAt === before.createdAt &&
    current.authorizedAt === before.authorizedAt
  )
}

/** What the record says of one refresh, before and after: `lease` is the same in both. */
export function aboutRefresh(
  { id, subjectId, provider }: Connection,
  { fence }: Pick<RefreshLease, 'fence'>,
): Pick<EventFacts, 'actor' | 'subjectId' | 'provider' | 'detail'> {
  return { actor: 'gateway', subjectId, provider, detail: { connection: id, lease: fence } }
}
