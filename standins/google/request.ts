import type { Call } from '../kit/exchange.ts'
import { type Challenge, readChallenge } from '../kit/pkce.ts'
import { readScopes } from './scopes.ts'
import type { GoogleClient } from './state.ts'

/** An authorization request that may be shown to a person. */
export type AuthorizationRequest = {
  client: GoogleClient
  redirectUri: string
  scopes: string[]
  prompts: string[]
  challenge: Challenge | undefined
  call: Call
}

/** What Google shows on its own page, and never tells the client. */
export type PageError = { status: number; error: string }

const promptValues = ['none', 'consent', 'select_account']

function readPrompts(parameter: string | undefined): string[] | 'malformed' {
  const prompts = (parameter ?? '').split(' ').filter((prompt) => prompt !== '')
  const unknown = prompts.some((prompt) => !promptValues.includes(prompt))
  return unknown || (prompts.includes('none') && prompts.length > 1) ? 'malformed' : prompts
}

const absentOr = (value: string | undefined, ...allowed: string[]) =>
  value === undefined || allowed.includes(value)

/** Checks everything about a request that does not depend on who sits at the browser. */
export function readRequest(
  clients: Map<string, GoogleClient>,
  call: Call,
): AuthorizationRequest | PageError {
  const { query } = call
  const client = clients.get(query.client_id ?? '')
  if (!client) return { status: 401, error: 'invalid_client' }
  if (client.deleted) return { status: 401, error: 'deleted_client' }
  if (call.repeated.length > 0) return { status: 400, error: 'invalid_request' }
  const redirectUri = query.redirect_uri
  if (!redirectUri || !client.redirectUris.includes(redirectUri)) {
    return { status: 400, error: 'redirect_uri_mismatch' }
  }
  if (query.response_type !== 'code') return { status: 400, error: 'unsupported_response_type' }
  const { scopes, unknown } = readScopes(query.scope)
  if (unknown.length > 0) return { status: 400, error: 'invalid_scope' }

  const challenge = readChallenge(call, ['S256', 'plain'])
  const prompts = readPrompts(query.prompt)
  const switches =
    absentOr(query.access_type, 'online', 'offline') &&
    absentOr(query.include_granted_scopes, 'true', 'false')
  if (scopes.length === 0 || challenge === 'malformed' || prompts === 'malformed' || !switches) {
    return { status: 400, error: 'invalid_request' }
  }
  return { client, redirectUri, scopes, prompts, challenge, call }
}
