import type { Gateway } from '../gateway.ts'
import { type GrantEnd, grantStanding } from '../grants/standing.ts'
import type { ToolCaller } from '../policy/decision.ts'
import type { DenialCode } from '../policy/reasons.ts'
import type { Resource } from '../storage/resources.ts'
import type { AccessTokenClaims } from '../tokens/access-token.ts'
import { isProbe } from '../tokens/probe-token.ts'
import { grantOfClaims } from './token-grant.ts'

/** Whose token came along. `end` is said after what the token lacks, see `DenialCode`. */
export type TokenBearer =
  | { outcome: 'refused'; code: DenialCode }
  | { outcome: 'known'; caller: ToolCaller; claims: AccessTokenClaims; end: DenialCode | undefined }

/** Looks at a person's access token in the order the checks are reported in: signature and end, audience, revocation. */
export async function tokenBearer(
  gateway: Gateway,
  resource: Resource,
  token: string | undefined,
): Promise<TokenBearer> {
  const claims = token === undefined ? undefined : await gateway.verifyAccessToken(token)
  if (!claims) return { outcome: 'refused', code: 'invalid_token' }
  if (claims.audience !== resource.uri) return { outcome: 'refused', code: 'invalid_audience' }
  const { subject: subjectId, clientId, scopes } = claims
  return {
    outcome: 'known',
    caller: { subjectId, clientId, scopes },
    claims,
    end: await endOf(gateway, claims),
  }
}

async function endOf(gateway: Gateway, claims: AccessTokenClaims): Promise<DenialCode | undefined> {
  if (isProbe(claims)) return undefined
  const grant = await grantOfClaims(gateway, claims)
  if (!grant) return 'token_revoked'
  const standing = await grantStanding(gateway, grant, gateway.clock())
  return standing.stands ? undefined : (codes[standing.reason] ?? 'token_revoked')
}

const codes: Partial<Record<GrantEnd, DenialCode>> = {
  subject_disabled: 'membership_inactive',
  client_disabled: 'client_registration_revoked',
  resource_disabled: 'resource_disabled',
}
