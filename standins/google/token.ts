import { basicCredentials, bodyCredentials } from '../kit/credentials.ts'
import { type Call, field, json, type Reply } from '../kit/exchange.ts'
import { projectOf } from './grants.ts'
import { issueIdToken } from './id-token.ts'
import type { GoogleClient, GoogleState } from './state.ts'

const refuse = (status: number, error: string, description: string, more: Record<string, string> = {}) =>
  json(status, { error, error_description: description, ...more }, { 'cache-control': 'no-store' })

function authenticate(state: GoogleState, call: Call): GoogleClient | Reply {
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
  return client
}

const isReply = (value: GoogleClient | Reply): value is Reply => 'status' in value

export async function exchangeToken(state: GoogleState, call: Call): Promise<Reply> {
  if (call.bodyKind !== 'form' || call.repeated.length > 0) {
    return refuse(400, 'invalid_request', 'The request body is not a well formed form.')
  }
  const client = authenticate(state, call)
  if (isReply(client)) return client
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
}

async function tokenReply(
  state: GoogleState,
  client: GoogleClient,
  owner: { sub: string; scopes: string[]; nonce: string | undefined },
  refreshToken: Record<string, unknown>,
): Promise<Reply> {
  const user = state.users.get(owner.sub)
  if (!user) return refuse(400, 'invalid_grant', 'Account not found')
  const access = state.grants.issueAccess(client, owner.sub, owner.scopes)
  const idToken = owner.scopes.includes('openid')
    ? { id_token: await issueIdToken(state, client, user, owner.scopes, owner.nonce) }
    : {}
  return json(
    200,
    {
      access_token: access.value,
      expires_in: state.switches.accessLifetime - 1,
      ...refreshToken,
      scope: owner.scopes.join(' '),
      token_type: 'Bearer',
      ...idToken,
    },
    { 'cache-control': 'no-store' },
  )
}

async function redeemCode(state: GoogleState, call: Call, client: GoogleClient): Promise<Reply> {
  const verifier = field(call.body, 'code_verifier')
  const redemption = state.codes.redeem({
    code: field(call.body, 'code'),
    clientId: client.clientId,
    redirectUri: field(call.body, 'redirect_uri'),
    verifier,
  })
  switch (redemption.outcome) {
    case 'redeemed': {
      const { sub, scopes, refreshable } = redemption.details
      const token = refreshable ? state.grants.issueRefresh(client, sub, scopes) : undefined
      const until = token?.expiresAt
      const expiry = until === undefined ? {} : { refresh_token_expires_in: until - state.core.clock.now() }
      return tokenReply(
        state,
        client,
        redemption.details,
        token ? { refresh_token: token.value, ...expiry } : {},
      )
    }
    case 'redirect-uri':
      return refuse(400, 'redirect_uri_mismatch', 'Bad Request')
    case 'verifier':
      return refuse(400, 'invalid_grant', verifier ? 'Invalid code verifier.' : 'Missing code verifier.')
    default:
      return refuse(400, 'invalid_grant', 'Bad Request')
  }
}

/** The refresh token stays the same, and is not repeated. */
async function refresh(state: GoogleState, call: Call, client: GoogleClient): Promise<Reply> {
  switch (state.switches.refreshError) {
    case 'invalid_rapt':
      return refuse(400, 'invalid_grant', 'reauth related error (invalid_rapt)', {
        error_subtype: 'invalid_rapt',
      })
    case 'admin_policy_enforced':
      return refuse(400, 'admin_policy_enforced', 'Blocked by the administrator.')
    case 'unauthorized_client':
      return refuse(401, 'unauthorized_client', 'Unauthorized')
    case 'none': {
      const token = state.grants.useRefresh(field(call.body, 'refresh_token'), client.clientId)
      if (!token) return refuse(400, 'invalid_grant', 'Token has been expired or revoked.')
      return tokenReply(state, client, { ...token, nonce: undefined }, {})
    }
  }
}

/** Needs no client authentication: whoever holds a token may end the whole grant it belongs to. */
export function revoke(state: GoogleState, call: Call): Reply {
  const token = state.grants.find(field(call.body, 'token') ?? '')
  const client = token && state.clients.get(token.clientId)
  if (!token || !client) return refuse(400, 'invalid_token', 'Token expired or revoked')
  const siblings = [...state.clients.values()].filter((other) => projectOf(other) === projectOf(client))
  state.grants.revoke(
    siblings.map((sibling) => sibling.clientId),
    token.sub,
  )
  return json(200, {})
}
