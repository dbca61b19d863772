import { OAuthError, type OAuthErrorCode } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { AskingResource } from '../../grants/open-session.ts'
import { type Release, retrieveToken } from '../../grants/retrieval.ts'
import {
  type RetrievalErrorCode,
  type RetrievalRefusal,
  refusal,
  retrievalErrors,
} from '../../grants/retrieval-error.ts'
import { readWish } from '../../grants/retrieval-wish.ts'
import { readUserToken } from '../../http/user-token.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { formatScope } from '../../tokens/scope.ts'
import type { TokenAnswer } from './grant.ts'
import { accessTokenType } from './resource-exchange.ts'

const upstreamTokenType = 'urn:coatcheck:token-type:upstream-access-token'

/** Token retrieval as RFC 8693: the person's token for this resource is exchanged for an upstream one. */
export async function exchangeForUpstream(
  gateway: Gateway,
  asking: AskingResource,
  form: Parameters,
): Promise<TokenAnswer> {
  const answer = await exchange(gateway, asking, form)
  if (answer.outcome === 'refused') throw exchangeRefused(answer)
  return exchangeAnswer(answer)
}

const foreign = ['actor_token', 'resource', 'audience']

async function exchange(
  gateway: Gateway,
  asking: AskingResource,
  form: Parameters,
): Promise<Release | RetrievalRefusal> {
  const subjectToken = form.values.get('subject_token')
  const provider = form.values.get('provider')
  const wish = readWish(form)
  if (subjectToken === undefined || provider === undefined || !wish) return refusal('invalid_request')
  if (form.values.get('subject_token_type') !== accessTokenType) return refusal('invalid_request')
  if ((form.values.get('requested_token_type') ?? upstreamTokenType) !== upstreamTokenType) {
    return refusal('invalid_request')
  }
  // What has no meaning here must not be passed over.
  if (foreign.some((name) => form.all.has(name))) return refusal('invalid_request')

  const userToken = await readUserToken(gateway, subjectToken, asking.resource.uri)
  if (userToken.sent !== 'valid' || userToken.claims.tsid === undefined) return refusal('invalid_user_token')
  return await retrieveToken(gateway, asking, { tsid: userToken.claims.tsid, userToken, provider, ...wish })
}

function exchangeAnswer(release: Release): TokenAnswer {
  return {
    access_token: release.accessToken,
    issued_token_type: upstreamTokenType,
    token_type: release.tokenType,
    ...(release.expiresIn === undefined ? {} : { expires_in: release.expiresIn }),
    scope: formatScope(release.scopes),
    provider: release.provider,
    account: release.account,
    ...(release.site && { site: release.site }),
  }
}

/** What of the pipeline before this grant is a row of the table of retrieval errors. */
const pipelineErrors: Partial<Record<OAuthErrorCode, RetrievalErrorCode>> = {
  invalid_client: 'invalid_resource_credential',
  unauthorized_client: 'invalid_resource_credential',
  invalid_request: 'invalid_request',
  temporarily_unavailable: 'too_many_requests',
}

/** The error of an exchange that never came to this grant, with the members every refusal of retrieval has. */
export function inRetrievalTerms(error: OAuthError): OAuthError {
  const code = pipelineErrors[error.code]
  if (code === undefined || 'error_code' in error.members) return error
  const { description, status, headers, cause } = error
  const members = { ...error.members, error_code: code, who_must_act: retrievalErrors[code].who }
  return new OAuthError(error.code, description, { status, headers, members, cause })
}

/** Which row of the table of retrieval errors an error of an exchange is. */
export function retrievalCodeOf({ members }: OAuthError): RetrievalErrorCode | undefined {
  const codes = Object.keys(retrievalErrors) as RetrievalErrorCode[]
  return codes.find((code) => code === members.error_code)
}

/** A refusal in the shape of the token endpoint, its own code and facts beside the OAuth error. */
function exchangeRefused({ code, facts }: RetrievalRefusal): OAuthError {
  const { oauth, who, says } = retrievalErrors[code]
  const [error, status] = oauth
  return new OAuthError(error, says, {
    status,
    headers: facts.retry_after === undefined ? {} : { 'retry-after': String(facts.retry_after) },
    members: { error_code: code, who_must_act: who, ...facts },
  })
}
