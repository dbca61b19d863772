import { bearerToken, type Call, json, type Reply } from '../kit/exchange.ts'
import type { AccessToken } from './grants.ts'
import { userClaims } from './id-token.ts'
import { scopeUrl } from './scopes.ts'
import type { GoogleState, GoogleUser } from './state.ts'

const problem = (code: number, status: string, message: string, headers: Reply['headers'] = {}) =>
  json(code, { error: { code, message, status } }, headers)

/** Lets an API call through with a live token that has one of these scopes. */
function authenticated(
  state: GoogleState,
  call: Call,
  scopes: string[],
  answer: (user: GoogleUser, token: AccessToken) => Reply,
): Reply {
  const token = state.grants.findAccess(bearerToken(call))
  if (!token) {
    const challenge = {
      'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="invalid_token"',
    }
    return problem(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.', challenge)
  }
  if (!scopes.some((scope) => token.scopes.includes(scopeUrl(scope)))) {
    return problem(403, 'PERMISSION_DENIED', 'Request had insufficient authentication scopes.')
  }
  return answer(state.users.get(token.user), token)
}

export function userinfo(state: GoogleState, call: Call): Reply {
  const scopes = ['openid', 'userinfo.email', 'userinfo.profile']
  return authenticated(state, call, scopes, (user, token) => json(200, userClaims(user, token.scopes)))
}

export function listEvents(state: GoogleState, call: Call): Reply {
  return authenticated(state, call, ['calendar', 'calendar.readonly', 'calendar.events'], (user) =>
    json(200, {
      kind: 'calendar#events',
      summary: user.email,
      items: user.events.map((event, index) => ({
        kind: 'calendar#event',
        id: `${user.sub}-${index}`,
        status: 'confirmed',
        summary: event.summary,
        start: { dateTime: event.start },
        end: { dateTime: event.end },
      })),
    }),
  )
}
