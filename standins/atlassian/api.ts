import { bearerToken, type Call, json, type Reply } from '../kit/exchange.ts'
import type { Family } from './grants.ts'
import { productScopes } from './scopes.ts'
import type { AtlassianSite, AtlassianState, AtlassianUser } from './state.ts'

type Caller = {
  user: AtlassianUser
  family: Family
  /** What the grant holds and the person can still open. */
  sites: AtlassianSite[]
}

const problem = (code: number, message: string) => json(code, { code, message })

/** Lets an API call through with the live token it bears. */
function authenticated(state: AtlassianState, call: Call, answer: (caller: Caller) => Reply): Reply {
  const family = state.grants.findByAccess(bearerToken(call))
  if (!family) return problem(401, 'Unauthorized')
  const user = state.users.get(family.user)
  const held = state.grants.sites(family).filter((id) => user.sites.includes(id))
  return answer({ user, family, sites: held.flatMap((id) => state.sites.get(id) ?? []) })
}

const pictureOf = (state: AtlassianState, id: string) => `${state.api}/avatars/${encodeURIComponent(id)}.png`

/** A site appears once per product the token has scopes for, each time under the same id. */
export function accessibleResources(state: AtlassianState, call: Call): Reply {
  return authenticated(state, call, ({ family, sites }) => {
    const listed = sites.flatMap(({ id, name, products }) =>
      products.map((product) => ({
        id,
        url: `https://${name}.atlassian.net`,
        name,
        scopes: productScopes(family.scopes, product),
        avatarUrl: pictureOf(state, id),
      })),
    )
    return json(
      200,
      listed.filter(({ scopes }) => scopes.length > 0),
    )
  })
}

export function me(state: AtlassianState, call: Call): Reply {
  return authenticated(state, call, ({ user, family }) => {
    if (!family.scopes.includes('read:me')) return problem(403, 'Forbidden')
    return json(200, {
      account_type: 'atlassian',
      account_id: user.accountId,
      email: user.email,
      email_verified: user.emailVerified,
      name: user.name,
      picture: pictureOf(state, user.accountId),
      account_status: 'active',
      nickname: user.name,
    })
  })
}

/** A site the grant does not hold is not there, whatever the person could open. */
export function jiraMyself(state: AtlassianState, call: Call): Reply {
  return authenticated(state, call, ({ user, family, sites }) => {
    const site = sites.find(({ id }) => id === call.params.cloudId)
    if (!site?.products.includes('jira')) return problem(404, 'Not Found')
    if (!family.scopes.includes('read:jira-user')) return problem(403, 'Unauthorized; scope does not match')
    const query = `accountId=${encodeURIComponent(user.accountId)}`
    return json(200, {
      self: `${state.api}/ex/jira/${site.id}/rest/api/3/user?${query}`,
      accountId: user.accountId,
      accountType: 'atlassian',
      emailAddress: user.email ?? '',
      displayName: user.name,
      active: true,
    })
  })
}
