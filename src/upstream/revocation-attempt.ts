import { type Place, SealError, type Sealer } from '../lib/seal.ts'
import type { UrlRules } from '../lib/upstream-url.ts'
import type { Store } from '../storage/store.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import type { RestingConnection, UpstreamRevocation } from '../storage/upstream-revocations.ts'
import { accessTokenPlace, refreshTokenPlace } from './connection-record.ts'
import type { Provider } from './provider.ts'
import { answerPlace, parseRaw, type RawAnswer } from './raw-answer.ts'
import { isBroken, type ProviderRegistry, resolveRow } from './registry.ts'
import type {
  DoomedTokens,
  RefreshTokens,
  RevocationOutcome,
  RevokeTokens,
  TokenRefresh,
  UpstreamFailed,
} from './tokens.ts'

/** What came of asking a provider once. */
export type AttemptOutcome =
  | Exclude<RevocationOutcome, { outcome: 'access_ended' }>
  /** The provider would end more than these tokens, or they are still in use. */
  | { outcome: 'impossible'; reason: 'needed_by_another_connection' }

export type RevocationAttemptParts = {
  revocations: Store['upstreamRevocations']
  providers: ProviderRegistry
  rules: UrlRules
  sealer: Sealer
  revokeTokens: RevokeTokens
  refreshTokens: RefreshTokens
}

export type AttemptRevocation = (row: UpstreamRevocation, deadline?: number) => Promise<AttemptOutcome>

/** Where the tokens of a row are sealed that no connection ever had. */
export const ownPlace = (row: string, column: string): Place => ({
  table: 'upstream_revocations',
  row,
  column,
})

type Tokens = Pick<DoomedTokens, 'accessToken' | 'refreshToken'>

/**
 * Asks the provider of a row once to revoke its tokens. What would end more than it should, because a connection that
 * stays rests on the same grant or the very same tokens, is left alone; so that is asked right before anything is sent.
 */
export function createRevocationAttempts(parts: RevocationAttemptParts): AttemptRevocation {
  const { revocations, providers, sealer } = parts

  return async (row, deadline) => {
    let last: AttemptOutcome = { outcome: 'impossible', reason: 'provider_changed' }
    for await (const provider of providersOf(row)) {
      last = await attemptAt(provider, row, deadline)
      if (!(last.outcome === 'impossible' && last.reason === 'provider_changed')) break
    }
    return last
  }

  /** As the provider is now, or as it was; tokens go to neither unless they came from there. */
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

  async function attemptAt(
    provider: Provider,
    row: UpstreamRevocation,
    deadline?: number,
  ): Promise<AttemptOutcome> {
    if (!provider.descriptor.revocation) return { outcome: 'impossible', reason: 'unsupported' }
    try {
      const opened = await openTokens(provider, row)
      if (opened.outcome === 'failed') return opened
      const resting = await restingOn(row)
      const extent = (await isHeld(resting, opened.tokens)) ? 'none' : allowedExtent(provider, row, resting)
      if (extent === 'none') return { outcome: 'impossible', reason: 'needed_by_another_connection' }
      const { tokenEndpoint, upstreamClientId } = row
      const where = { tokenEndpoint, upstreamClientId, extent, ...(deadline !== undefined && { deadline }) }
      const outcome = await parts.revokeTokens(provider, { ...opened.tokens, ...where })
      if (outcome.outcome !== 'access_ended') return outcome
      // Tokens no connection had may be of the family of one that lives, which a spent refresh token can end.
      const mayRenew = row.connectionId !== null || !resting.some(isOfClient(row))
      return mayRenew ? await revokeRenewed(provider, row, opened.tokens, where) : { outcome: 'already_gone' }
    } catch (error) {
      // The master key may come back.
      if (!(error instanceof SealError)) throw error
      return { outcome: 'failed', failure: { kind: 'config', code: 'unreadable' } }
    }
  }

  /** One more access token is got, to end with it what it came from. Nobody else has the row meanwhile. */
  async function revokeRenewed(
    provider: Provider,
    row: UpstreamRevocation,
    { refreshToken }: Tokens,
    where: Omit<DoomedTokens, keyof Tokens>,
  ): Promise<AttemptOutcome> {
    // An answer can be told from somebody else's only where it is known whose it should be.
    if (refreshToken === undefined || row.upstreamSubject === null) return { outcome: 'already_gone' }
    const renewed = await parts.refreshTokens(provider, {
      ...asking(row, refreshToken),
      onAnswer: (raw) => keepAnswer(row, raw),
    })
    if (renewed.outcome === 'failed') {
      return renewed.failure.kind === 'reauth' ? { outcome: 'already_gone' } : renewed
    }
    const outcome = await parts.revokeTokens(provider, { ...renewed.tokens, ...where })
    return outcome.outcome === 'access_ended' ? { outcome: 'already_gone' } : outcome
  }

  /** Whoever tries next finds it there. If it cannot be stored, the tokens in it are revoked all the same now. */
  async function keepAnswer(row: UpstreamRevocation, raw: RawAnswer): Promise<void> {
    try {
      await revocations.keepAnswer(row, await sealer.seal(JSON.stringify(raw), placesOf(row).answer))
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error
    }
  }

  /** The newest there are: those of an answer that nobody lived to read, where there is one. */
  async function openTokens(
    provider: Provider,
    row: UpstreamRevocation,
  ): Promise<{ outcome: 'opened'; tokens: Tokens } | UpstreamFailed> {
    const places = placesOf(row)
    const refreshToken =
      row.sealedRefreshToken === null ? undefined : await sealer.open(row.sealedRefreshToken, places.refresh)
    const stored = {
      accessToken: await sealer.open(row.sealedAccessToken, places.access),
      ...(refreshToken !== undefined && { refreshToken }),
    }
    if (row.sealedAnswer === null || refreshToken === undefined) return { outcome: 'opened', tokens: stored }
    const raw = parseRaw(await sealer.open(row.sealedAnswer, places.answer))
    let wasRead = false
    const answer = await parts.refreshTokens(provider, {
      ...asking(row, refreshToken),
      takeAnswer() {
        wasRead = true
        return raw
      },
    })
    if (answer.outcome === 'tokens') {
      const isKept = provider.descriptor.refresh.when_absent === 'keep'
      return { outcome: 'opened', tokens: { ...(isKept && { refreshToken }), ...answer.tokens } }
    }
    // Nothing in it, or nothing that can be told yet.
    return wasRead || answer.failure.kind === 'reauth' ? { outcome: 'opened', tokens: stored } : answer
  }

  async function restingOn({ issuer, upstreamSubject }: UpstreamRevocation): Promise<RestingConnection[]> {
    if (issuer === null || upstreamSubject === null) return []
    return await revocations.listResting({ issuer, upstreamSubject })
  }

  /** Some providers hand out again what they handed out before. */
  async function isHeld(resting: readonly RestingConnection[], doomed: Tokens): Promise<boolean> {
    for (const { id, sealedAccessToken, sealedRefreshToken } of resting) {
      if ((await sealer.open(sealedAccessToken, accessTokenPlace(id))) === doomed.accessToken) return true
      if (sealedRefreshToken === null || doomed.refreshToken === undefined) continue
      if ((await sealer.open(sealedRefreshToken, refreshTokenPlace(id))) === doomed.refreshToken) return true
    }
    return false
  }
}

const isOfClient = (row: UpstreamRevocation) => (connection: RestingConnection) =>
  connection.upstreamClientId === row.upstreamClientId

/** How much may end at this provider now. */
function allowedExtent(
  { descriptor: { revocation } }: Provider,
  row: UpstreamRevocation,
  resting: readonly RestingConnection[],
): 'none' | DoomedTokens['extent'] {
  const spared = revocation?.ends === 'token' ? 'token' : 'none'
  if (row.upstreamSubject === null) return spared
  const isNeeded = revocation?.ends === 'project' ? resting.length > 0 : resting.some(isOfClient(row))
  return isNeeded ? spared : row.extent
}

/** What the connection held need not be known: nobody will use what is granted. */
function asking({ tokenEndpoint, upstreamSubject }: UpstreamRevocation, refreshToken: string): TokenRefresh {
  return { refreshToken, scopes: [], tokenEndpoint, upstreamSubject: upstreamSubject ?? '' }
}

/** A connection's tokens stay sealed as they were when it ended. */
function placesOf({ id, connectionId }: UpstreamRevocation): Record<'access' | 'refresh' | 'answer', Place> {
  if (connectionId === null) {
    return {
      access: ownPlace(id, 'sealed_access_token'),
      refresh: ownPlace(id, 'sealed_refresh_token'),
      answer: ownPlace(id, 'sealed_answer'),
    }
  }
  return {
    access: accessTokenPlace(connectionId),
    refresh: refreshTokenPlace(connectionId),
    answer: answerPlace(connectionId),
  }
}
