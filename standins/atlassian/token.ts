import { bodyCredentials } from '../kit/credentials.ts'
import { type Call, field, json, type Reply, text } from '../kit/exchange.ts'
import type { Pair } from './grants.ts'
import type { AtlassianClient, AtlassianState } from './state.ts'

const refuse = (status: number, error: string, description: string) =>
  json(status, { error, error_description: description }, { 'cache-control': 'no-store' })

/** Client credentials come in the body, JSON or form. */
export function exchangeToken(state: AtlassianState, call: Call): Reply {
  if (call.repeated.length > 0) return refuse(400, 'invalid_request', 'Duplicate parameters')
  const credentials = bodyCredentials(call)
  const client = state.clients.get(credentials?.clientId ?? '')
  if (!client || credentials?.clientSecret !== client.clientSecret) {
    return refuse(401, 'access_denied', 'Unauthorized')
  }
  switch (field(call.body, 'grant_type')) {
    case 'authorization_code':
      return redeemCode(state, call, client)
    case 'refresh_token':
      return refresh(state, call, client)
    default:
      return refuse(403, 'unsupported_grant_type', 'Unsupported grant type')
  }
}

function tokenReply(state: AtlassianState, { family, accessToken, refreshToken }: Pair): Reply {
  const body = {
    access_token: accessToken,
    expires_in: state.switches.accessLifetime,
    token_type: 'Bearer',
    scope: family.scopes.join(' '),
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
  }
  return json(200, body, { 'cache-control': 'no-store' })
}

function redeemCode(state: AtlassianState, call: Call, { clientId }: AtlassianClient): Reply {
  const redemption = state.codes.redeem(call, clientId)
  if (redemption.outcome === 'verifier') {
    return refuse(403, 'invalid_grant', 'Failed to verify code verifier')
  }
  if (redemption.outcome !== 'redeemed') {
    return refuse(403, 'invalid_grant', 'Invalid authorization code')
  }
  const { user, details } = redemption
  return tokenReply(state, state.grants.start({ clientId, user }, details.scopes))
}

function refresh(state: AtlassianState, call: Call, client: AtlassianClient): Reply {
  const pair = state.grants.rotate(field(call.body, 'refresh_token') ?? '', client.clientId)
  if (pair) return tokenReply(state, pair)
  return state.switches.deadRefresh === 'invalid_grant'
    ? refuse(403, 'invalid_grant', 'Unknown or invalid refresh token.')
    : refuse(403, 'unauthorized_client', 'refresh_token is invalid')
}

/** Undocumented for 3LO apps; whether it exists is a switch. */
export function revoke(state: AtlassianState, call: Call): Reply {
  if (state.switches.revokeStatus === 404) return text(404, 'Not Found')
  const doomed = state.grants.familyOf(field(call.body, 'token') ?? '')
  state.grants.endFamilies((family) => family === doomed)
  return json(200, {})
}
