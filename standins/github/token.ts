import { bodyCredentials } from '../kit/credentials.ts'
import { type Call, field, type Reply, text } from '../kit/exchange.ts'
import type { GithubClient, GithubState } from './state.ts'
import type { Token } from './tokens.ts'

const descriptions = {
  incorrect_client_credentials: 'The client_id and/or client_secret passed are incorrect.',
  unsupported_grant_type: 'The grant type is not supported.',
  bad_verification_code: 'The code passed is incorrect or expired.',
  redirect_uri_mismatch: 'The redirect_uri MUST match the registered callback URL for this application.',
  unverified_user_email: 'The user must have a verified primary email.',
  bad_refresh_token: 'The refresh token passed is incorrect or expired.',
  invalid_request: 'The request is not well formed.',
}

const troubleshooting =
  'https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors'

const toXml = (members: Record<string, string | number>) =>
  `<?xml version="1.0" encoding="UTF-8"?><OAuth>${Object.entries(members)
    .map(
      ([name, value]) =>
        `<${name}>${String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</${name}>`,
    )
    .join('')}</OAuth>`

/** Form-encoded, unless the caller asks for JSON or XML. */
function negotiated(
  { switches }: GithubState,
  call: Call,
  status: number,
  members: Record<string, string | number>,
): Reply {
  const accept = switches.accept === 'heeded' ? (call.headers.accept ?? '') : ''
  if (accept.includes('application/json')) {
    const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }
    return { status, headers, body: JSON.stringify(members) }
  }
  if (accept.includes('application/xml')) {
    return { status, headers: { 'content-type': 'application/xml; charset=utf-8' }, body: toXml(members) }
  }
  const body = new URLSearchParams()
  for (const [name, value] of Object.entries(members)) body.set(name, String(value))
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
  return { status, headers, body: body.toString() }
}

function refuse(state: GithubState, call: Call, error: keyof typeof descriptions): Reply {
  return negotiated(state, call, state.switches.errorStatus, {
    error,
    error_description: descriptions[error],
    error_uri: `${troubleshooting}/#${error.replaceAll('_', '-')}`,
  })
}

function tokenReply(state: GithubState, call: Call, client: GithubClient, token: Token): Reply {
  const { accessLifetime, refreshLifetime, numbersAsStrings } = state.switches
  const number = (value: number) => (numbersAsStrings ? String(value) : value)
  const expiry = token.refresh
    ? {
        expires_in: number(accessLifetime),
        refresh_token: token.refresh,
        refresh_token_expires_in: number(refreshLifetime),
      }
    : {}
  return negotiated(state, call, 200, {
    access_token: token.access,
    ...expiry,
    scope: client.kind === 'github-app' ? '' : token.scopes.join(','),
    token_type: 'bearer',
  })
}

/** Client credentials come in the body and nowhere else. */
export function exchangeToken(state: GithubState, call: Call): Reply {
  if (call.repeated.length > 0) return refuse(state, call, 'invalid_request')
  const credentials = bodyCredentials(call)
  const client = state.clients.get(credentials?.clientId ?? '')
  if (!client || credentials?.clientSecret !== client.clientSecret) {
    return refuse(state, call, 'incorrect_client_credentials')
  }
  switch (field(call.body, 'grant_type') ?? 'authorization_code') {
    case 'authorization_code':
      return redeemCode(state, call, client)
    case 'refresh_token':
      return refresh(state, call, client)
    default:
      return refuse(state, call, 'unsupported_grant_type')
  }
}

function redeemCode(state: GithubState, call: Call, client: GithubClient): Reply {
  const redemption = state.codes.redeem(call, client.clientId)
  if (redemption.outcome === 'redirect-uri') return refuse(state, call, 'redirect_uri_mismatch')
  if (redemption.outcome !== 'redeemed') return refuse(state, call, 'bad_verification_code')

  const user = state.users.get(redemption.user)
  if (user.unverified) return refuse(state, call, 'unverified_user_email')
  const { scopes, offline } = redemption.details
  const byDefault = client.expiringTokens ?? client.kind === 'github-app'
  const renewal = byDefault || (offline && !state.switches.ghesOld) ? 'expiring' : 'lasting'
  const token = state.tokens.signIn(client, redemption.user, scopes, renewal)
  return token
    ? tokenReply(state, call, client, token)
    : text(429, 'Too many tokens', { 'retry-after': '3600' })
}

/** Scopes cannot be changed on the way, so a `scope` parameter is refused. */
function refresh(state: GithubState, call: Call, client: GithubClient): Reply {
  if (call.body.scope !== undefined) return refuse(state, call, 'invalid_request')
  const old = state.tokens.findByRefresh(field(call.body, 'refresh_token') ?? '', client.clientId)
  if (!old) return refuse(state, call, 'bad_refresh_token')
  return tokenReply(state, call, client, state.tokens.replace(old, client))
}
