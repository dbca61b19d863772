import { decodeJwt } from 'jose'
import * as oidc from 'openid-client'
import type { Clock } from '../lib/clock.ts'
import { type Claims, textAt } from './claims.ts'
import { createClient } from './client.ts'
import type { Provider } from './provider.ts'
import { asResponse, mayHoldTokens, toRaw } from './raw-answer.ts'
import { isFrom, type Server } from './server.ts'
import { createTokenFetch, toTokens } from './token-answer.ts'
import type { RefreshOutcome, TokenRefresh } from './tokens.ts'
import { failureOfException, rotatedIn, UpstreamError } from './upstream-error.ts'

/**
 * Refreshes (RFC 6749 section 6). No scope is sent: the provider then keeps what was granted, and some refuse to be
 * told. A refresh token never goes to another host than it came from. What may hold new tokens is handed to
 * `refresh.onAnswer` before it is read.
 */
export async function refreshTokens(
  provider: Provider,
  server: Server,
  clock: Clock,
  refresh: TokenRefresh,
): Promise<RefreshOutcome> {
  const client = createClient(provider, server, {
    clock,
    tokenFetch: createTokenFetch(provider, server, 'refresh', clock, transport(server, refresh)),
  })
  try {
    if (!isFrom(server, refresh.tokenEndpoint)) {
      throw new UpstreamError({ kind: 'reauth', code: 'provider_changed' })
    }
    const answer = await oidc.refreshTokenGrant(client, refresh.refreshToken)
    checkSubject(provider, answer.unverified_id_token, refresh.upstreamSubject)
    return { outcome: 'tokens', tokens: toTokens(provider, server, answer, refresh.scopes) }
  } catch (error) {
    const rotated = rotatedIn(error)
    return {
      outcome: 'failed',
      failure: failureOfException(error, { kind: 'transient', code: 'malformed_answer' }),
      ...(rotated && { rotated }),
    }
  }
}

/** Asks the provider, or has it that this was done before. */
function transport({ fetch }: Server, refresh: TokenRefresh): Server['fetch'] {
  const { onAnswer, takeAnswer, mayAsk = () => true, deadline, signal } = refresh
  const within = { ...(deadline !== undefined && { deadline }), ...(signal && { signal }) }
  return async (url, init) => {
    if (takeAnswer) return asResponse(takeAnswer())
    if (!mayAsk()) throw new UpstreamError({ kind: 'transient', code: 'not_asked' })
    const response = await fetch(url, { ...init, ...within })
    if (!response.ok) return response
    const raw = await toRaw(response)
    if (mayHoldTokens(raw)) await onAnswer?.(raw)
    return asResponse(raw)
  }
}

/**
 * An ID token that comes with a refresh must be about the same person (OpenID Connect Core section 12.2). It came
 * straight from the token endpoint over TLS, which section 3.1.3.7 lets stand for its signature: a key set out of
 * reach must not cost a rotated refresh token.
 */
function checkSubject({ descriptor }: Provider, idToken: unknown, upstreamSubject: string): void {
  const { sources, subject: claim } = descriptor.identity
  const subject = sources.includes('id_token') ? textAt(decodeClaims(idToken), claim) : undefined
  if (subject !== undefined && subject !== upstreamSubject) {
    throw new UpstreamError({ kind: 'reauth', code: 'account_changed' })
  }
}

function decodeClaims(idToken: unknown): Claims {
  try {
    return typeof idToken === 'string' ? decodeJwt(idToken) : {}
  } catch {
    return {}
  }
}
