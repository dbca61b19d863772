import type { Place, Sealer } from '../lib/seal.ts'
import { sha256 } from '../lib/secret.ts'
import type { Connection, StoredTokens } from '../storage/connections.ts'
import type { Site } from '../storage/documents.ts'
import type { UpstreamIdentity } from './identity.ts'
import type { UpstreamTokens } from './tokens.ts'

/** What a connection is the connection of. */
export type ConnectionKey = {
  subjectId: string
  provider: string
  issuer: string
  upstreamSubject: string
  scopes: readonly string[]
}

/** Why a live connection may be of no use: it came with scopes that nobody asked for. */
export const grantedTooMuch = 'granted_too_much'

/** The id follows from the key, so that two sign-ins at once meet in one row, and a seal can name the row first. */
export function connectionId(key: ConnectionKey): string {
  const { subjectId, provider, issuer, upstreamSubject, scopes } = key
  return `con_${sha256(JSON.stringify([subjectId, provider, issuer, upstreamSubject, [...scopes].sort()]))}`
}

/** Our opaque id of an upstream account of a subject; the same for every scope set. */
export function accountId(key: Omit<ConnectionKey, 'scopes'>): string {
  const { subjectId, provider, issuer, upstreamSubject } = key
  return `acct_${sha256(JSON.stringify([subjectId, provider, issuer, upstreamSubject])).slice(0, 22)}`
}

export const accessTokenPlace = (id: string): Place => ({
  table: 'connections',
  row: id,
  column: 'sealed_access_token',
})

export const refreshTokenPlace = (id: string): Place => ({
  table: 'connections',
  row: id,
  column: 'sealed_refresh_token',
})

/** What a connection's row says of tokens that a provider just answered. */
export async function sealTokens(
  sealer: Sealer,
  id: string,
  tokens: UpstreamTokens,
  now: number,
): Promise<StoredTokens> {
  const { accessToken, refreshToken, expiresIn, refreshExpiresIn, tokenType, unasked } = tokens
  return {
    scopes: [...tokens.scopes].sort(),
    sealedAccessToken: await sealer.seal(accessToken, accessTokenPlace(id)),
    sealedRefreshToken:
      refreshToken === undefined ? null : await sealer.seal(refreshToken, refreshTokenPlace(id)),
    tokenType,
    accessExpiresAt: expiresIn === undefined ? null : now + expiresIn,
    accessLifetime: expiresIn ?? null,
    refreshExpiresAt: refreshExpiresIn === undefined ? null : now + refreshExpiresIn,
    refreshedAt: now,
    ...(unasked && { statusReason: grantedTooMuch, statusSince: now }),
  }
}

/** The whole row for tokens fresh from a sign-in or a connect. */
export async function newConnection(
  sealer: Sealer,
  made: {
    subjectId: string
    provider: { id: string; clientId: string }
    identity: UpstreamIdentity
    tokens: UpstreamTokens
    sites?: Site[] | undefined
  },
  now: number,
): Promise<Omit<Connection, 'version'>> {
  const { subjectId, provider, identity, tokens, sites } = made
  const account = {
    subjectId,
    provider: provider.id,
    issuer: identity.issuer,
    upstreamSubject: identity.subject,
  }
  const id = connectionId({ ...account, scopes: tokens.scopes })
  return {
    id,
    ...account,
    accountId: accountId(account),
    accountLabel: identity.label,
    tokenEndpoint: tokens.tokenEndpoint,
    upstreamClientId: provider.clientId,
    status: 'live',
    statusReason: null,
    statusSince: now,
    ...(await sealTokens(sealer, id, tokens, now)),
    createdAt: now,
    authorizedAt: now,
    sites: sites ? { list: sites, since: now, seenAt: now } : null,
    lastUsedAt: null,
    lastUsedBy: null,
  }
}
