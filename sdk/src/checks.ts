import { type Denial, deny } from './denials.ts'
import { namesAudience } from './resource.ts'
import { missingScopes, scopesOf } from './scope.ts'
import type { Settings } from './settings.ts'
import type { Claims } from './token.ts'

/** What a request needs beyond a valid token. */
export type Needs = {
  /** All of them. */
  readonly scopes?: readonly string[]
  /** One of these authentication contexts (RFC 9470). */
  readonly acrValues?: readonly string[]
  /** A sign-in at most this many seconds ago (RFC 9470). */
  readonly maxAge?: number
}

/** A token for another server opens nothing here, whoever signed it (RFC 9068 section 4). */
export function audienceDenial(claims: Claims, { audiences, resource }: Settings): Denial | undefined {
  return namesAudience(claims.aud, audiences) ? undefined : deny('invalid_audience', { resource })
}

export function scopeDenial(claims: Claims, needs: Needs, { impliedScopes }: Settings): Denial | undefined {
  const { scopes: requiredScopes = [] } = needs
  const grantedScopes = scopesOf(claims)
  const missing = missingScopes(grantedScopes, requiredScopes, impliedScopes)
  return missing.length === 0 ? undefined : deny('scope_insufficient', { requiredScopes, grantedScopes })
}

/** RFC 9470 section 4. A token that does not say when or how its subject signed in proves neither. */
export function signInDenial(claims: Claims, needs: Needs, settings: Settings): Denial | undefined {
  const { acrValues, maxAge, scopes = [] } = needs
  const { acr, auth_time } = claims
  const isStrong = acrValues === undefined || (typeof acr === 'string' && acrValues.includes(acr))
  const oldest = settings.outside.clock() - settings.clockTolerance - (maxAge ?? Number.POSITIVE_INFINITY)
  const isFresh = maxAge === undefined || (typeof auth_time === 'number' && auth_time >= oldest)
  if (isStrong && isFresh) return undefined
  return deny('step_up_required', {
    requiredScopes: scopes,
    grantedScopes: scopesOf(claims),
    ...(acrValues === undefined ? {} : { acrValues }),
    ...(maxAge === undefined ? {} : { maxAge }),
  })
}
