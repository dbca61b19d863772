import * as oidc from 'openid-client'
import type { Clock } from '../lib/clock.ts'
import { clockTolerance, createClient } from './client.ts'
import { type Provider, requestScopes } from './provider.ts'
import type { Server } from './server.ts'
import { createTokenFetch, toTokens } from './token-answer.ts'
import type { CodeExchange, TokenOutcome, UpstreamFailure } from './tokens.ts'
import { failureOfException, UpstreamError } from './upstream-error.ts'

/**
 * Redeems the code of a callback (RFC 6749 section 4.1.3). An `oidc` provider's ID token is verified whole: signature,
 * issuer, audience, nonce and times (OpenID Connect Core section 3.1.3.7).
 */
export async function exchangeCode(
  provider: Provider,
  server: Server,
  clock: Clock,
  exchange: CodeExchange,
): Promise<TokenOutcome> {
  const { descriptor } = provider
  const isOidc = descriptor.kind === 'oidc'
  const client = createClient(provider, server, {
    clock,
    tokenFetch: createTokenFetch(provider, server, 'exchange', clock),
  })
  try {
    const answer = await oidc.authorizationCodeGrant(client, callbackUrl(provider, server, exchange), {
      expectedState: exchange.state,
      ...(descriptor.pkce === 'S256' && { pkceCodeVerifier: exchange.codeVerifier }),
      ...(isOidc && { expectedNonce: exchange.nonce, idTokenExpected: true }),
      ...(descriptor.authorization.max_age && exchange.maxAge !== undefined && { maxAge: exchange.maxAge }),
    })
    const idTokenClaims = answer.claims()
    if (idTokenClaims) checkClaims(provider, idTokenClaims, clock())
    const asked = requestScopes(provider, exchange.scopes, 'unwanted')
    const tokens = toTokens(provider, server, answer, asked)
    return { outcome: 'tokens', tokens: { ...tokens, ...(idTokenClaims && { idTokenClaims }) } }
  } catch (error) {
    return { outcome: 'failed', failure: failureOfException(error, idTokenInvalid) }
  } finally {
    const jwks = oidc.getJwksCache(client)
    if (jwks) server.jwks = jwks
  }
}

const idTokenInvalid: UpstreamFailure = { kind: 'config', code: 'id_token_invalid' }

/** The callback as openid-client reads it: only what it needs, so that strangers' members cannot make it stumble. */
function callbackUrl({ descriptor }: Provider, { metadata }: Server, exchange: CodeExchange): URL {
  const { query, state } = exchange
  const issuer = descriptor.callback.iss === 'ignore' ? null : query.get('iss')
  if (query.get('state') !== state) throw new UpstreamError({ kind: 'restart', code: 'state_mismatch' })
  if (issuer !== null && issuer !== metadata.issuer) {
    throw new UpstreamError({ kind: 'restart', code: 'issuer_mismatch' })
  }
  const url = new URL(exchange.redirectUri)
  url.search = String(
    new URLSearchParams({ code: query.get('code') ?? '', state, ...(issuer !== null && { iss: issuer }) }),
  )
  return url
}

/** What openid-client leaves to its caller: a token from the future, and one made for another party. */
function checkClaims({ clientId }: Provider, { iat, azp }: oidc.IDToken, now: number): void {
  if (iat > now + clockTolerance)
    throw new UpstreamError({ kind: 'config', code: 'id_token_from_the_future' })
  if (azp !== undefined && azp !== clientId) throw new UpstreamError(idTokenInvalid)
}
