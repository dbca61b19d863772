import { auditEvent } from '../audit/event.ts'
import type { Clock } from '../lib/clock.ts'
import { type Place, SealError, type Sealer } from '../lib/seal.ts'
import { newId } from '../lib/secret.ts'
import type { UrlRules } from '../lib/upstream-url.ts'
import type { Store } from '../storage/store.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import type { UpstreamRevocation } from '../storage/upstream-revocations.ts'
import { accessTokenPlace, refreshTokenPlace } from './connection-record.ts'
import type { UpstreamIdentity } from './identity.ts'
import type { Provider } from './provider.ts'
import { isBroken, type ProviderRegistry, resolveRow } from './registry.ts'
import type { DoomedTokens, RevocationOutcome, RevokeTokens, UpstreamTokens } from './tokens.ts'

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
}

export type RevocationQueue = {
  /** Carries out some of what is due; one process at a time for each, and one run at a time in this one. */
  carryOutDue(): Promise<void>
  /** A first attempt at what was queued just now, bounded; what it does not get to stays queued. */
  carryOut(cause: string): Promise<CarriedOut[]>
  /** Queues tokens that were handed out and are not kept. */
  discard(provider: Provider, unwanted: UnwantedTokens): Promise<void>
}

export type RevocationQueueParts = {
  revocations: Store['upstreamRevocations']
  providers: ProviderRegistry
  rules: UrlRules
  sealer: Sealer
  revokeTokens: RevokeTokens
  clock: Clock
  /** Seconds in which a person may still be on the way that brought tokens which are not kept. */
  tripLifetime: number
}

/** Seconds after which a provider that never answers well is left alone. */
const patience = 3 * 86_400
const mostPerRun = 50
/** How many an administrator's answer waits for, and seconds for each. */
const mostAtOnce = 5
const deadlineAtOnce = 3

/**
 * Tells providers what ended here. It was queued with its end, so that no crash forgets it; whoever takes one moves
 * its next attempt first, and telling a provider twice does no harm. What would end more than it should, because a
 * connection that stays rests on the same grant, is left alone; so that is asked right before anything is sent.
 */
export function createRevocationQueue(parts: RevocationQueueParts): RevocationQueue {
  const { providers, sealer, clock } = parts
  const { take, postpone, finish, create, isNeeded } = parts.revocations
  let running: Promise<unknown> | undefined

  return {
    async carryOutDue() {
      running ??= run({}, mostPerRun).finally(() => {
        running = undefined
      })
      await running
    },

    async carryOut(cause) {
      try {
        return await run({ cause }, mostAtOnce, deadlineAtOnce)
      } catch (error) {
        // It is queued, and the end itself is stored.
        if (error instanceof StorageUnavailableError) return []
        throw error
      }
    },

    async discard(provider, { tokens, identity, subjectId = null }) {
      const { revocation } = provider.descriptor
      const endsMore = revocation?.ends !== 'token'
      if (!revocation || (endsMore && !identity)) return
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
        document: null,
        sealedClientSecret: null,
        connectionId: null,
        sealedAccessToken: await seal(accessToken, 'sealed_access_token'),
        sealedRefreshToken:
          refreshToken === undefined ? null : await seal(refreshToken, 'sealed_refresh_token'),
        attempts: 0,
        // The person may be about to come back with the same grant, and must find it.
        nextAt: endsMore ? now + parts.tripLifetime : now,
        createdAt: now,
      })
    },
  }

  async function run(which: { cause?: string }, limit: number, deadline?: number): Promise<CarriedOut[]> {
    const taken = await take(which, limit, clock())
    const byProvider = Map.groupBy(taken, ({ provider }) => provider)
    const all = await Promise.all([...byProvider.values()].map((rows) => inTurn(rows, deadline)))
    return all.flat()
  }

  /** A provider that is down, or wants to be left alone, is asked once and not for every row. */
  async function inTurn(rows: readonly UpstreamRevocation[], deadline?: number): Promise<CarriedOut[]> {
    const carried: CarriedOut[] = []
    let isResting = false
    for (const row of rows) {
      const result: RevocationResult = isResting ? 'queued' : await one(row, deadline)
      isResting ||= result === 'queued'
      carried.push({ provider: row.provider, upstreamClientId: row.upstreamClientId, result })
    }
    return carried
  }

  async function one(row: UpstreamRevocation, deadline?: number): Promise<RevocationResult> {
    const outcome = await attempt(row, deadline)
    switch (outcome.outcome) {
      case 'revoked':
      case 'already_gone':
        return await end(row, outcome.outcome)
      case 'impossible':
        return await end(row, outcome.reason)
      case 'failed': {
        const now = clock()
        const { code, retryAfter = 0 } = outcome.failure
        if (now >= row.createdAt + patience) return await end(row, 'given_up', { reason: code })
        if (now + retryAfter > row.nextAt) await postpone(row, now + retryAfter)
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

  /** As the provider is now, or as it was; tokens go to neither unless they came from there. */
  async function attempt(row: UpstreamRevocation, deadline?: number): Promise<Outcome> {
    let last: Outcome = { outcome: 'impossible', reason: 'provider_changed' }
    for await (const provider of providersOf(row)) {
      last = await attemptAt(provider, row, deadline)
      if (!(last.outcome === 'impossible' && last.reason === 'provider_changed')) return last
    }
    return last
  }

  async function* providersOf(row: UpstreamRevocation): AsyncGenerator<Provider> {
    const current = await providers.find(row.provider)
    if (current?.clientId === row.upstreamClientId) yield current
    if (row.document === null) return
    const before = await resolveRow(
      {
        id: row.provider,
        document: row.document,
        clientId: row.upstreamClientId,
        sealedClientSecret: row.sealedClientSecret,
        origin: 'admin',
        enabled: false,
        createdAt: row.createdAt,
        updatedAt: row.createdAt,
        version: 0,
      },
      { sealer, ...parts.rules },
    )
    if (!isBroken(before)) yield before
  }

  async function attemptAt(provider: Provider, row: UpstreamRevocation, deadline?: number): Promise<Outcome> {
    if (!provider.descriptor.revocation) return { outcome: 'impossible', reason: 'unsupported' }
    const extent = await allowedExtent(provider, row)
    if (extent === 'none') return { outcome: 'impossible', reason: 'needed_by_another_connection' }
    try {
      const doomed = { ...(await openTokens(row)), extent, ...(deadline !== undefined && { deadline }) }
      return await parts.revokeTokens(provider, doomed)
    } catch (error) {
      // The master key may come back.
      if (!(error instanceof SealError)) throw error
      return { outcome: 'failed', failure: { kind: 'config', code: 'unreadable' } }
    }
  }

  /** How much may end at this provider now. */
  async function allowedExtent(
    { descriptor: { revocation } }: Provider,
    { issuer, upstreamSubject, upstreamClientId, extent }: UpstreamRevocation,
  ): Promise<'none' | DoomedTokens['extent']> {
    if (!revocation || (revocation.ends === 'token' && extent === 'token')) return 'token'
    const isSpared =
      issuer === null ||
      upstreamSubject === null ||
      (await isNeeded({
        issuer,
        upstreamSubject,
        ...(revocation.ends !== 'project' && { upstreamClientId }),
      }))
    if (!isSpared) return extent
    return revocation.ends === 'token' ? 'token' : 'none'
  }

  async function openTokens(row: UpstreamRevocation): Promise<Omit<DoomedTokens, 'extent'>> {
    const { id, connectionId, sealedAccessToken, sealedRefreshToken, tokenEndpoint, upstreamClientId } = row
    const places =
      connectionId === null
        ? { access: ownPlace(id, 'sealed_access_token'), refresh: ownPlace(id, 'sealed_refresh_token') }
        : { access: accessTokenPlace(connectionId), refresh: refreshTokenPlace(connectionId) }
    return {
      accessToken: await sealer.open(sealedAccessToken, places.access),
      ...(sealedRefreshToken !== null && {
        refreshToken: await sealer.open(sealedRefreshToken, places.refresh),
      }),
      tokenEndpoint,
      upstreamClientId,
    }
  }
}

type Outcome = RevocationOutcome | { outcome: 'impossible'; reason: 'needed_by_another_connection' }

const ownPlace = (row: string, column: string): Place => ({ table: 'upstream_revocations', row, column })
