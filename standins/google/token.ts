import { basicCredentials, bodyCredentials } from '../kit/credentials.ts'
import { type Call, field, json, type Reply } from '../kit/exchange.ts'
import type { Owner } from '../kit/issued.ts'
import { issueIdToken } from './id-token.ts'
import type { GoogleClient, GoogleState } from './state.ts'

const refuse = (status: number, error: string, description: string, more: Record<string, string> = {}) =>
  json(status, { error, error_description: description, ...more }, { 'cache-control': 'no-store' })

/** Basic or body, never both. */
function authenticated(
  state: GoogleState,
  call: Call,
  answer: (client: GoogleClient) => Promise<Reply>,
): Reply | Promise<Reply> {
  const basic = basicCredentials(call)
  const body = bodyCredentials(call)
  if (basic && call.body.client_secret !== undefined) {
    return refuse(400, 'invalid_request', 'Client credentials were given twice.')
  }
  const credentials = basic ?? body
  if (!credentials) return refuse(400, 'invalid_request', 'Could not determine client ID from request.')
  const client = state.clients.get(credentials.clientId)
  if (!client) return refuse(401, 'invalid_client', 'The OAuth client was not found.')
  if (client.deleted) return refuse(401, 'deleted_client', 'The OAuth client was deleted.')
  if (credentials.clientSecret !== client.clientSecret) return refuse(401, 'invalid_client', 'Unauthorized')
  return answer(client)
}

export function exchangeToken(state: GoogleState, call: Call): Reply | Promise<Reply> {
  if (call.bodyKind !== 'form' || call.repeated.length > 0) {
    return refuse(400, 'invalid_request', 'The request body is not a well formed form.')
  }
  return authenticated(state, call, async (client) => {
    switch (field(call.body, 'grant_type')) {
      case 'authorization_code':
        return redeemCode(state, call, client)
      case 'refresh_token':
        return refresh(state, call, client)
      case undefined:
        return refuse(400, 'invalid_request', 'Required parameter is missing: grant_type')
      default:
        return refuse(400, 'unsupported_grant_type', 'Invalid grant_type')
    }
  })
}

/** An ID token comes with `openid`, at a refresh, too, where it has no nonce. */
async function tokenReply(
  state: GoogleState,
  { owner, scopes, nonce }: { owner: Owner; scopes: string[]; nonce: string | undefined },
  refreshToken: Record<string, unknown>,
): Promise<Reply> {
  const access = state.grants.issueAccess(owner, scopes)
  const body = {
    access_token: access.value,
    expires_in: state.switches.accessLifetime - 1,
    ...refreshToken,
    scope: scopes.join(' '),
    token_type: 'Bearer',
    ...(scopes.includes('openid') ? { id_token: await issueIdToken(state, owner, scopes, nonce) } : {}),
  }
  return json(200, body, { 'cache-control': 'no-store' })
}

async function redeemCode(state: GoogleState, call: Call, client: GoogleClient): Promise<Reply> {
  const redemption = state.codes.redeem(call, client.clientId)
  switch (redemption.outcome) {
    case 'redeemed': {
      const { scopes, nonce, refreshable } = redemption.details
      const owner = { clientId: client.clientId, user: redemption.user }
      const answer = { owner, scopes, nonce }
      return tokenReply(state, answer, refreshable ? newRefreshToken(state, owner, scopes) : {})
    }
    case 'redirect-uri':
      return refuse(400, 'redirect_uri_mismatch', 'Bad Request')
    case 'verifier':
      return refuse(
        400,
        'invalid_grant',
        `${call.body.code_verifier === undefined ? 'Missing' : 'Invalid'} code verifier.`,
      )
    default:
      return refuse(400, 'invalid_grant', 'Bad Request')
  }
}

function newRefreshToken(state: GoogleState, owner: Owner, scopes: string[]): Record<string, unknown> {
  const { value, expiresAt } = state.grants.issueRefresh(owner, scopes)
  return Number.isFinite(expiresAt)
    ? { refresh_token: value, refresh_token_expires_in: expiresAt - state.core.clock.now() }
    : { refresh_token: value }
}

/** The refresh token stays the same, and is not repeated. */
async function refresh(state: GoogleState, call: Call, client: GoogleClient): Promise<Reply> {
  const token = state.grants.useRefresh(field(call.body, 'refresh_token'), client.clientId)
  if (!token) return refuse(400, 'invalid_grant', 'Token has been expired or revoked.')
  switch (state.switches.refreshError) {
    case 'invalid_rapt':
      return refuse(400, 'invalid_grant', 'reauth related error (invalid_rapt)', {
        error_subtype: 'invalid_rapt',
      })
    case 'admin_policy_enforced':
      return refuse(400, 'admin_policy_enforced', 'Blocked by the administrator.')
    case 'unauthorized_client':
      return refuse(401, 'unauthorized_client', 'Unauthorized')
    case 'none':
      return tokenReply(state, { owner: token, scopes: token.scopes, nonce: undefined }, {})
  }
}

const projectOf = (client: GoogleClient | undefined) => client?.project ?? client?.clientId

/** Whoever holds a token may end the whole grant it belongs to, sibling clients of its project included. */
export function revoke(state: GoogleState, call: Call): Reply {
  const token = state.grants.find(field(call.body, 'token') ?? '')
  if (!token) return refuse(400, 'invalid_token', 'Token expired or revoked')
  const project = projectOf(state.clients.get(token.clientId))
  for (const client of state.clients.values()) {
    if (projectOf(client) === project) state.grants.revoke({ clientId: client.clientId, user: token.user })
  }
  return json(200, {})
}
