import type { Gateway } from '../../gateway.ts'
import { newId } from '../../lib/secret.ts'
import { scopesStill } from '../../policy/tool-policy.ts'
import type { Grant, GrantLife } from '../../storage/grants.ts'
import type { Resource } from '../../storage/resources.ts'
import { type Actor, mintAccessToken } from '../../tokens/access-token.ts'
import { formatScope } from '../../tokens/scope.ts'
import type { TokenAnswer } from './grant.ts'

/** When the tokens of an answer given now end: never after the grant's absolute end. */
export function lifeFrom(
  gateway: Gateway,
  grant: Pick<Grant, 'absoluteEndsAt'>,
  refreshable: 'refreshable' | 'not refreshable',
  now: number,
): GrantLife & { accessEndsAt: number } {
  const { lifetimes } = gateway.config
  const accessEndsAt = Math.min(now + lifetimes.access_token, grant.absoluteEndsAt)
  return refreshable === 'refreshable'
    ? {
        accessEndsAt,
        expiresAt: Math.min(now + lifetimes.refresh_token, grant.absoluteEndsAt),
        absoluteEndsAt: grant.absoluteEndsAt,
        lastUsedAt: now,
      }
    : { accessEndsAt, expiresAt: accessEndsAt, absoluteEndsAt: accessEndsAt, lastUsedAt: now }
}

/** The answer for a grant, to be given once its rows say what is issued here. */
export async function tokenAnswer(
  gateway: Gateway,
  grant: Grant,
  issued: {
    /** The one the grant is for. */
    resource: Resource | undefined
    scopes: readonly string[]
    accessEndsAt: number
    refreshToken?: string | undefined
    act?: Actor
  },
  now: number,
): Promise<TokenAnswer> {
  const lifetime = issued.accessEndsAt - now
  // What a role gave may be gone since the person was asked.
  const { subjectId } = grant
  const scopes = await scopesStill(gateway, { resource: issued.resource, subjectId }, issued.scopes)
  const accessToken = mintAccessToken({
    key: await gateway.signingKeys.signingKey(),
    issuer: gateway.config.issuer,
    audience: grant.audience,
    subject: subjectId,
    clientId: grant.clientId,
    scopes,
    // Names its grant, so that a token can be looked up without a row of its own.
    jti: `${grant.id}.${newId('')}`,
    authTime: grant.authTime,
    ...(grant.acr === null ? {} : { acr: grant.acr }),
    now,
    lifetime,
    ...(grant.resourceId === null ? {} : { tsid: grant.tsid }),
    ...(issued.act === undefined ? {} : { act: issued.act }),
  })
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: lifetime,
    ...(issued.refreshToken === undefined ? {} : { refresh_token: issued.refreshToken }),
    scope: formatScope(scopes),
  }
}
