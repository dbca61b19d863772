import { aboutGrant, auditEvent } from '../../audit/event.ts'
import { OAuthError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { grantStanding } from '../../grants/standing.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { sha256 } from '../../lib/secret.ts'
import type { Client } from '../../storage/clients.ts'
import type { Grant } from '../../storage/grants.ts'
import type { RefreshToken } from '../../storage/refresh-tokens.ts'
import type { Resource } from '../../storage/resources.ts'
import { isRefreshToken, newRefreshToken, openSuccessor, sealSuccessor } from '../../tokens/refresh-token.ts'
import { narrow, parseScope } from '../../tokens/scope.ts'
import { requireBoundResource } from './bound-resource.ts'
import type { TokenAnswer, TokenGrant } from './grant.ts'
import { lifeFrom, tokenAnswer } from './issue.ts'

type Presented = {
  token: string
  row: RefreshToken
  grant: Grant
  resource: Resource | undefined
  scopes: string[]
}

/**
 * RFC 6749 section 6 with rotation (RFC 9700 section 4.14). Used twice, a token ends its family; except that
 * the same client, within the grace window and while the successor is unused, gets the same successor again.
 */
export const refreshToken: TokenGrant<'client'> = {
  caller: 'client',
  parameters: ['refresh_token', 'scope'],
  async answer(gateway, { client }, form) {
    const presented = await readPresented(gateway, client, form)
    if (presented.row.usedAt !== null) return await repeatOrEnd(gateway, presented)
    return await rotate(gateway, client, form, presented)
  },
}

/** Everything about the token and the request that can be refused without changing anything. */
async function readPresented(gateway: Gateway, client: Client, form: Parameters): Promise<Presented> {
  const now = gateway.clock()
  const token = form.values.get('refresh_token')
  if (token === undefined) throw new OAuthError('invalid_request', 'The parameter refresh_token is missing')
  const found = isRefreshToken(token) ? await gateway.store.refreshTokens.find(sha256(token)) : undefined
  if (!found || found.grant.clientId !== client.id) throw invalidToken()
  const { refreshToken: row, grant } = found
  const standing = await grantStanding(gateway, grant, now)
  if (row.expiresAt <= now || !standing.stands) throw invalidToken()
  requireBoundResource(form, grant)
  const requested = parseScope(form.values.get('scope') ?? '')
  const scopes = requested && narrow(requested, grant.scopes)
  if (!scopes) throw new OAuthError('invalid_scope', 'A scope was asked for that was never granted')
  return { token, row, grant, resource: standing.resource, scopes }
}

async function rotate(
  gateway: Gateway,
  client: Client,
  form: Parameters,
  { token, row, grant, resource, scopes }: Presented,
): Promise<TokenAnswer> {
  const now = gateway.clock()
  const successor = newRefreshToken()
  const life = lifeFrom(gateway, grant, 'refreshable', now)
  // Made before the token is spent: from then on nothing may fail.
  const answer = await tokenAnswer(
    gateway,
    grant,
    { resource, scopes, accessEndsAt: life.accessEndsAt, refreshToken: successor },
    now,
  )
  const rotated = await gateway.store.refreshTokens.rotate(
    row,
    {
      successor: {
        tokenHash: sha256(successor),
        grantId: grant.id,
        createdAt: now,
        expiresAt: life.expiresAt,
        usedAt: null,
        successorHash: null,
        sealedSuccessor: null,
      },
      sealedSuccessor: sealSuccessor(token, successor),
      life,
    },
    now,
    auditEvent(now, { event: 'token.refreshed', actor: `client:${client.id}`, ...aboutGrant(grant) }),
  )
  // Somebody was faster with the same token: the rules of a second use apply, on what is true now.
  return rotated ? answer : await repeatOrEnd(gateway, await readPresented(gateway, client, form))
}

async function repeatOrEnd(
  gateway: Gateway,
  { token, row, grant, resource, scopes }: Presented,
): Promise<TokenAnswer> {
  const now = gateway.clock()
  // Not used after all: its end or its grant's came while it was about to be.
  if (row.usedAt === null) throw invalidToken()
  const successor = await repeatableSuccessor(gateway, token, row, now)
  if (successor === undefined) return await endFamily(gateway, grant)
  const life = lifeFrom(gateway, grant, 'refreshable', now)
  const answer = await tokenAnswer(
    gateway,
    grant,
    { resource, scopes, accessEndsAt: life.accessEndsAt, refreshToken: successor },
    now,
  )
  const extended = await gateway.store.grants.extend(
    grant.id,
    { accessEndsAt: life.accessEndsAt, lastUsedAt: now },
    now,
    auditEvent(now, {
      event: 'token.refreshed',
      actor: `client:${grant.clientId}`,
      outcome: 'repeated',
      ...aboutGrant(grant),
    }),
  )
  if (!extended) throw invalidToken()
  return answer
}

/** The successor in clear, while it may be handed out again. */
async function repeatableSuccessor(
  gateway: Gateway,
  token: string,
  { usedAt, successorHash, sealedSuccessor }: RefreshToken,
  now: number,
): Promise<string | undefined> {
  if (usedAt === null || successorHash === null || sealedSuccessor === null) return undefined
  if (now - usedAt > gateway.config.lifetimes.refresh_grace) return undefined
  const next = await gateway.store.refreshTokens.find(successorHash)
  if (!next || next.refreshToken.usedAt !== null) return undefined
  return openSuccessor(token, sealedSuccessor)
}

async function endFamily(gateway: Gateway, grant: Grant): Promise<never> {
  const now = gateway.clock()
  await gateway.store.grants.revoke(
    grant.id,
    'refresh_token_reused',
    now,
    auditEvent(now, {
      event: 'token.reused',
      actor: `client:${grant.clientId}`,
      outcome: 'refresh_token',
      ...aboutGrant(grant),
    }),
  )
  throw invalidToken()
}

function invalidToken(): OAuthError {
  return new OAuthError('invalid_grant', 'The refresh token is not valid')
}
