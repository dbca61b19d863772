import { auditEvent } from '../audit/event.ts'
import type { Clock } from '../lib/clock.ts'
import { newId } from '../lib/secret.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import type { UpstreamRevocation } from '../storage/upstream-revocations.ts'
import type { UpstreamIdentity } from './identity.ts'
import type { Provider } from './provider.ts'
import { createRevocationAttempts, ownPlace, type RevocationAttemptParts } from './revocation-attempt.ts'
import type { UpstreamFailure, UpstreamTokens } from './tokens.ts'

/** What came of one revocation so far. */
export type RevocationResult =
  | 'revoked'
  | 'already_gone'
  /** The provider would end more than these tokens, and a connection that stays rests on it. */
  | 'needed_by_another_connection'
  | 'unsupported'
  | 'provider_changed'
  | 'queued'
  | 'given_up'

export type CarriedOut = { provider: string; upstreamClientId: string; result: RevocationResult }

/** Tokens that are not kept, and whose they are, where the provider said so. */
export type UnwantedTokens = {
  tokens: UpstreamTokens
  identity?: Pick<UpstreamIdentity, 'issuer' | 'subject'>
  subjectId?: string
  /** They told who somebody is: the next sign-in rests on what the person gave for that, so nothing else may end. */
  wereFor?: 'identity'
}

export type RevocationQueue = {
  /** Carries out some of what is due; one process at a time for each, and one run at a time in this one. */
  carryOutDue(): Promise<void>
  /** A first attempt at what was queued just now, bounded; what it does not get to stays queued. */
  carryOut(cause: string): Promise<CarriedOut[]>
  /** Queues tokens that were handed out and are not kept. */
  discard(provider: Provider, unwanted: UnwantedTokens): Promise<void>
  /** Ends what is under way, and begins nothing more: it stays queued. */
  stop(): Promise<void>
}

export type RevocationQueueParts = RevocationAttemptParts & {
  clock: Clock
  /** Seconds in which a person may still be on the way that brought tokens which are not kept. */
  tripLifetime: number
}

/** Seconds after which a provider that never answers well is left alone. */
export const patience = 3 * 86_400

/** How many are taken together, and how often in one run: nobody else has those meanwhile. */
const mostTaken = 10
const mostRounds = 20
/** Seconds one attempt may take. It is not begun where the row may be somebody else's before it ends. */
const longestAttempt = 55
/** How many an administrator's answer waits for, and seconds for each. */
const mostAtOnce = 5
const deadlineAtOnce = 3

/**
 * Tells providers what ended here. It was queued with its end, so that no crash forgets it; whoever takes one moves
 * its next attempt first, and telling a provider twice does no harm.
 */
export function createRevocationQueue(parts: RevocationQueueParts): RevocationQueue {
  const { sealer, clock } = parts
  const { take, postpone, finish, create } = parts.revocations
  const attempt = createRevocationAttempts(parts)
  let running: Promise<void> | undefined
  let isStopping = false

  return {
    async carryOutDue() {
      // A run that is under way may have looked before this was due.
      await running?.catch(() => undefined)
      running ??= runAll().finally(() => {
        running = undefined
      })
      await running
    },

    async carryOut(cause) {
      try {
        return await run({ cause }, mostAtOnce, new Set(), deadlineAtOnce)
      } catch (error) {
        // It is queued, and the end itself is stored.
        if (error instanceof StorageUnavailableError) return []
        throw error
      }
    },

    async stop() {
      isStopping = true
      await Promise.allSettled([running])
    },

    async discard(provider, { tokens, identity, subjectId = null, wereFor }) {
      const { revocation } = provider.descriptor
      const endsMore = revocation?.ends !== 'token'
      if (!revocation || (endsMore && (!identity || wereFor === 'identity'))) return
      const now = clock()
      const id = newId('rev_')
      const { accessToken, refreshToken, tokenEndpoint } = tokens
      const seal = (token: string, column: string) => sealer.seal(token, ownPlace(id, column))
      await create({
        id,
        cause: id,
        extent: 'token',
        subjectId,
        provider: provider.id,
        issuer: identity?.issuer ?? null,
        upstreamSubject: identity?.subject ?? null,
        tokenEndpoint,
        upstreamClientId: provider.clientId,
        sealedAccessToken: await seal(accessToken, 'sealed_access_token'),
        sealedRefreshToken:
          refreshToken === undefined ? null : await seal(refreshToken, 'sealed_refresh_token'),
        // The person may be about to come back with the same grant, and must find it.
        nextAt: endsMore ? now + parts.tripLifetime : now,
        createdAt: now,
      })
    },
  }

  async function runAll(): Promise<void> {
    const resting = new Set<string>()
    for (let round = 0; round < mostRounds && !isStopping; round++) {
      const carried = await run({}, mostTaken, resting)
      if (carried.length < mostTaken) return
    }
  }

  async function run(
    which: { cause?: string },
    limit: number,
    resting: Set<string>,
    deadline?: number,
  ): Promise<CarriedOut[]> {
    const taken = await take(which, limit, clock())
    const byProvider = Map.groupBy(taken, ({ provider }) => provider)
    const all = await Promise.all([...byProvider.values()].map((rows) => inTurn(rows, resting, deadline)))
    return all.flat()
  }

  /** A provider that is down, or wants to be left alone, is asked once and not for every row. */
  async function inTurn(
    rows: readonly UpstreamRevocation[],
    resting: Set<string>,
    deadline?: number,
  ): Promise<CarriedOut[]> {
    const carried: CarriedOut[] = []
    for (const row of rows) {
      const { provider, upstreamClientId, nextAt } = row
      const isLeft = isStopping || resting.has(provider) || clock() + longestAttempt > nextAt
      const result: RevocationResult = isLeft ? 'queued' : await one(row, resting, deadline)
      carried.push({ provider, upstreamClientId, result })
    }
    return carried
  }

  async function one(
    row: UpstreamRevocation,
    resting: Set<string>,
    deadline?: number,
  ): Promise<RevocationResult> {
    const outcome = await attempt(row, deadline)
    switch (outcome.outcome) {
      case 'revoked':
      case 'already_gone':
        return await end(row, outcome.outcome)
      case 'impossible':
        return await end(row, outcome.reason)
      case 'failed': {
        const now = clock()
        const { kind, code, retryAfter = 0 } = outcome.failure
        if (isOfProvider(outcome.failure)) resting.add(row.provider)
        if (now >= row.createdAt + patience) return await end(row, 'given_up', { reason: code })
        await postpone(row, Math.max(row.nextAt, now + retryAfter), { kind, code })
        return 'queued'
      }
    }
  }

  async function end(
    row: UpstreamRevocation,
    result: Exclude<RevocationResult, 'queued'>,
    more: { reason?: string } = {},
  ): Promise<RevocationResult> {
    const { cause, attempts, provider, connectionId, subjectId, upstreamClientId } = row
    const event = auditEvent(clock(), {
      event: 'upstream_grant.revoked',
      actor: 'gateway',
      outcome: result === 'revoked' ? 'ok' : result,
      provider,
      ...(subjectId !== null && { subjectId }),
      detail: {
        cause,
        upstream_client_id: upstreamClientId,
        ...(connectionId !== null && { connection: connectionId }),
        attempts,
        ...more,
      },
    })
    // Whoever is not admitted may come back all day, and leave no more than they brought.
    const isStranger = subjectId === null && result !== 'given_up'
    await finish(row, isStranger ? undefined : event)
    return result
  }
}

/** What else fails may be the fault of one row, which must not be in the way of all others. */
const isOfProvider = ({ kind }: UpstreamFailure) => kind === 'transient' || kind === 'limited'
