import { aboutGrant, auditEvent } from '../../audit/event.ts'
import { OAuthError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { grantStanding } from '../../grants/standing.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { sha256 } from '../../lib/secret.ts'
import type { Client } from '../../storage/clients.ts'
import type { Code } from '../../storage/codes.ts'
import type { ConnectedGrant } from '../../storage/connected-grants.ts'
import type { Grant } from '../../storage/grants.ts'
import type { RefreshToken } from '../../storage/refresh-tokens.ts'
import type { Resource } from '../../storage/resources.ts'
import { verifies } from '../../tokens/pkce.ts'
import { newRefreshToken } from '../../tokens/refresh-token.ts'
import { offlineAccess } from '../../tokens/scope.ts'
import { requireBoundResource } from './bound-resource.ts'
import type { TokenAnswer, TokenGrant } from './grant.ts'
import { lifeFrom, tokenAnswer } from './issue.ts'

/** RFC 6749 section 4.1.3 with PKCE (RFC 7636). Everything is checked before the code is consumed. */
export const authorizationCode: TokenGrant<'client'> = {
  caller: 'client',
  parameters: ['code', 'code_verifier', 'redirect_uri'],
  async answer(gateway, { client }, form) {
    const now = gateway.clock()
    const { code, grant } = await provenCode(gateway, client, form)
    requireBoundResource(form, grant)
    // The caller has proven the code is its own, so a second use means that it was stolen somewhere.
    if (code.usedAt !== null) return await refuseReplay(gateway, grant)
    const standing = await grantStanding(gateway, grant, now)
    if (code.expiresAt <= now || !standing.stands) throw invalidCode()
    return await redeem(gateway, client, { code, grant, resource: standing.resource })
  },
}

/** The code, if this client is the one it was issued to and holds its verifier; one answer for all else. */
async function provenCode(
  gateway: Gateway,
  client: Client,
  form: Parameters,
): Promise<{ code: Code; grant: ConnectedGrant }> {
  const presented = form.values.get('code')
  if (presented === undefined) throw new OAuthError('invalid_request', 'The parameter code is missing')
  const found = await gateway.store.codes.find(sha256(presented))
  const redirectUri = form.values.get('redirect_uri')
  const isProven =
    found !== undefined &&
    found.grant.clientId === client.id &&
    // OAuth 2.1 dropped redirect_uri here; where it is sent it must be the one used.
    (redirectUri === undefined || redirectUri === found.code.redirectUri) &&
    verifies(form.values.get('code_verifier') ?? '', found.code.codeChallenge)
  if (!isProven) throw invalidCode()
  return found
}

type Redeemable = { code: Code; grant: Grant; resource: Resource | undefined }

async function redeem(
  gateway: Gateway,
  client: Client,
  { code, grant, resource }: Redeemable,
): Promise<TokenAnswer> {
  const now = gateway.clock()
  const { lifetimes, limits } = gateway.config
  const refreshToken = mayRefresh(client, grant) ? newRefreshToken() : undefined
  const life = lifeFrom(
    gateway,
    { absoluteEndsAt: now + lifetimes.refresh_token_absolute },
    refreshToken === undefined ? 'not refreshable' : 'refreshable',
    now,
  )
  // Made before the code is spent: from then on nothing may fail.
  const answer = await tokenAnswer(
    gateway,
    grant,
    { resource, scopes: grant.scopes, accessEndsAt: life.accessEndsAt, refreshToken },
    now,
  )
  const redeemed = await gateway.store.codes.redeem(
    { code, grant },
    {
      life,
      refreshToken:
        refreshToken === undefined ? undefined : refreshTokenRow(refreshToken, grant, life.expiresAt, now),
      keep: limits.sessions_per_client,
    },
    now,
    auditEvent(now, { event: 'token.issued', actor: `client:${client.id}`, ...aboutGrant(grant) }),
  )
  return redeemed ? answer : await refuseReplay(gateway, grant)
}

/** SEP-2207: by what the client registered or by `offline_access`, whichever it uses. */
function mayRefresh(client: Client, grant: Grant): boolean {
  return client.metadata.grant_types.includes('refresh_token') || grant.scopes.includes(offlineAccess)
}

function refreshTokenRow(token: string, grant: Grant, expiresAt: number, now: number): RefreshToken {
  return {
    tokenHash: sha256(token),
    grantId: grant.id,
    createdAt: now,
    expiresAt,
    usedAt: null,
    successorHash: null,
    sealedSuccessor: null,
  }
}

async function refuseReplay(gateway: Gateway, grant: Grant): Promise<never> {
  const now = gateway.clock()
  await gateway.store.grants.revoke(
    grant.id,
    'code_replayed',
    now,
    auditEvent(now, {
      event: 'token.reused',
      actor: `client:${grant.clientId}`,
      outcome: 'code',
      ...aboutGrant(grant),
    }),
  )
  throw invalidCode()
}

function invalidCode(): OAuthError {
  return new OAuthError('invalid_grant', 'The authorization code is not valid for this request')
}
