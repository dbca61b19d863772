import type { Clock } from '../lib/clock.ts'
import type { GuardedRequest } from '../lib/guarded-fetch.ts'
import { isClaims, parseJson } from './claims.ts'
import { clientAuthentication } from './client.ts'
import type { Descriptor } from './descriptor.ts'
import type { Provider } from './provider.ts'
import { isFrom, type Server } from './server.ts'
import type { DoomedTokens, RevocationOutcome } from './tokens.ts'
import { failureOfException, UpstreamError } from './upstream-error.ts'
import { failureOfApi, probe } from './userinfo.ts'

/**
 * Revokes tokens where they came from, in the way the provider's descriptor says; never at another host, or as
 * another client. That they were gone already is as good, where it is certain.
 */
export async function revokeTokens(
  provider: Provider,
  server: Server,
  clock: Clock,
  doomed: DoomedTokens,
): Promise<RevocationOutcome> {
  const { revocation } = provider.descriptor
  if (!revocation) return { outcome: 'impossible', reason: 'unsupported' }
  const isTheirs = provider.clientId === doomed.upstreamClientId && isFrom(server, doomed.tokenEndpoint)
  if (!isTheirs) return { outcome: 'impossible', reason: 'provider_changed' }
  try {
    return await tellOfAll({ provider, server, clock, revocation, doomed })
  } catch (error) {
    const failure = failureOfException(error, { kind: 'transient', code: 'malformed_answer' })
    return { outcome: 'failed', failure }
  }
}

type Revocation = NonNullable<Descriptor['revocation']>
type RequestRevocation = Extract<Revocation, { style: 'request' }>

type Telling<Style extends Revocation = Revocation> = {
  provider: Provider
  server: Server
  clock: Clock
  revocation: Style
  doomed: DoomedTokens
}

type TokenKind = 'refresh_token' | 'access_token'
const kinds: readonly TokenKind[] = ['refresh_token', 'access_token']

/** One token after the other; where more ends than the token itself, until one of them has ended it all. */
async function tellOfAll(telling: Telling): Promise<RevocationOutcome> {
  const { revocation, doomed } = telling
  const isRequest = revocation.style === 'request'
  const takes = isRequest ? revocation.takes : kinds
  const endsAll = revocation.ends !== 'token' || (doomed.extent === 'grant' && grantUrlOf(revocation))
  const seen = new Set<RevocationOutcome['outcome']>()
  for (const kind of kinds.filter((each) => takes.includes(each))) {
    const token = kind === 'refresh_token' ? doomed.refreshToken : doomed.accessToken
    if (token === undefined) continue
    const told = await (isRequest
      ? tellByRequest({ ...telling, revocation }, kind, token)
      : tellByRfc7009(telling, kind, token))
    if (told.outcome === 'failed') return told
    seen.add(told.outcome)
    if (told.outcome === 'revoked' && endsAll) break
  }
  if (seen.has('revoked')) return { outcome: 'revoked' }
  if (!seen.has('already_gone')) return { outcome: 'impossible', reason: 'unsupported' }
  const isLeft = doomed.refreshToken !== undefined && !takes.includes('refresh_token')
  return { outcome: isLeft ? 'access_ended' : 'already_gone' }
}

const grantUrlOf = (revocation: Revocation) =>
  revocation.style === 'request' ? revocation.grant_url : undefined

/** RFC 7009 section 2.1; authenticated as at the token endpoint. */
async function tellByRfc7009(telling: Telling, kind: TokenKind, token: string): Promise<RevocationOutcome> {
  const { provider, server, doomed } = telling
  const { revocation_endpoint: url } = server.metadata
  if (url === undefined) return { outcome: 'impossible', reason: 'unsupported' }
  const body = new URLSearchParams({ token, token_type_hint: kind })
  const headers = new Headers({ accept: 'application/json' })
  const client = { client_id: provider.clientId }
  clientAuthentication(provider, server)(server.metadata, client, body, headers)
  const response = await server.fetch(url, {
    method: 'POST',
    headers: Object.fromEntries(headers),
    body,
    ...limitsOf(doomed),
  })
  if (response.ok) return { outcome: 'revoked' }
  const error = await errorOf(response)
  // RFC 7009 section 2.2 wants 200 for these; not everybody does as it says.
  if (error === 'invalid_token' || error === 'invalid_grant') return { outcome: 'already_gone' }
  const isUnsupported = error === 'unsupported_token_type' || [404, 405, 501].includes(response.status)
  if (isUnsupported) return { outcome: 'impossible', reason: 'unsupported' }
  return failureOf(telling, response)
}

async function tellByRequest(
  telling: Telling<RequestRevocation>,
  kind: TokenKind,
  token: string,
): Promise<RevocationOutcome> {
  const { server, revocation } = telling
  const { url, request } = requestFor(telling, token)
  const response = await server.fetch(url, request)
  if (response.ok) return { outcome: 'revoked' }
  if (!revocation.gone.includes(response.status)) return failureOf(telling, response)
  return kind === 'access_token' ? await makeSure(telling, token) : { outcome: 'already_gone' }
}

/**
 * A status alone may say as well that the client or the address is not known there: a token that still works is not
 * gone, and then the registration is at fault.
 */
async function makeSure(telling: Telling, accessToken: string): Promise<RevocationOutcome> {
  const { provider, server, doomed } = telling
  if (server.metadata.userinfo_endpoint === undefined) return { outcome: 'already_gone' }
  const verdict = await probe(provider, server, accessToken, limitsOf(doomed))
  if (verdict === 'rejected') return { outcome: 'already_gone' }
  const kind = verdict === 'accepted' ? 'config' : 'transient'
  return { outcome: 'failed', failure: { kind, code: 'not_believed_gone' } }
}

function requestFor(
  { provider, revocation, doomed }: Telling<RequestRevocation>,
  token: string,
): { url: string; request: GuardedRequest } {
  const { clientId, clientSecret } = provider
  const { method, url, grant_url: grantUrl, authentication, format, parameter } = revocation
  const isBasic = authentication === 'client_secret_basic'
  if (isBasic && clientSecret === undefined) {
    throw new UpstreamError({ kind: 'config', code: 'client_secret_missing' })
  }
  const target = doomed.extent === 'grant' ? (grantUrl ?? url) : url
  const members = { [parameter]: token }
  return {
    url: target.replaceAll('{client_id}', encodeURIComponent(clientId)),
    request: {
      method,
      headers: {
        accept: 'application/json',
        ...(isBasic && {
          authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
        }),
        ...(format === 'json' && { 'content-type': 'application/json' }),
      },
      body: format === 'json' ? JSON.stringify(members) : new URLSearchParams(members),
      ...limitsOf(doomed),
    },
  }
}

const limitsOf = ({ deadline }: DoomedTokens) => (deadline === undefined ? {} : { deadline })

function failureOf({ provider, clock }: Telling, response: Response): RevocationOutcome {
  return { outcome: 'failed', failure: failureOfApi(provider.descriptor, response, clock) }
}

async function errorOf(response: Response): Promise<unknown> {
  try {
    const body = parseJson(await response.text())
    return isClaims(body) ? body.error : undefined
  } catch {
    return undefined
  }
}
