import { bearerToken, type Call, json, type Reply } from '../kit/exchange.ts'
import type { Family } from './grants.ts'
import { productScopes } from './scopes.ts'
import type { AtlassianState, AtlassianUser } from './state.ts'

const problem = (code: number, message: string) => json(code, { code, message })

function authenticated(
  state: AtlassianState,
  call: Call,
  answer: (user: AtlassianUser, family: Family) => Reply,
): Reply {
  const family = state.grants.findAccess(bearerToken(call))?.family
  const user = family && state.users.get(family.accountId)
  return family && user ? answer(user, family) : problem(401, 'Unauthorized')
}

/** The grant's sites the person can still open, once per product the token has scopes for. */
export function accessibleResources(state: AtlassianState, call: Call): Reply {
  return authenticated(state, call, (user, family) => {
    const granted = state.grants
      .sites(family.clientId, family.accountId)
      .filter((id) => user.sites.includes(id))
    const resources = granted
      .flatMap((id) => state.sites.get(id) ?? [])
      .flatMap((site) =>
        site.products.map((product) => ({ site, scopes: productScopes(family.scopes, product) })),
      )
      .filter(({ scopes }) => scopes.length > 0)
      .map(({ site, scopes }) => ({
        id: site.id,
        url: `https://${site.name}.atlassian.net`,
        name: site.name,
        scopes,
        avatarUrl: `${state.api}/avatars/${site.id}.png`,
      }))
    return json(200, resources)
  })
}

export function me(state: AtlassianState, call: Call): Reply {
  return authenticated(state, call, (user, family) => {
    if (!family.scopes.includes('read:me')) return problem(403, 'Forbidden')
    return json(200, {
      account_type: 'atlassian',
      account_id: user.accountId,
      email: user.email,
      email_verified: user.emailVerified,
      name: user.name,
      picture: `${state.api}/avatars/${encodeURIComponent(user.accountId)}.png`,
      account_status: 'active',
      nickname: user.name,
    })
  })
}

/** A site the grant does not hold is not there, whatever the person could open. */
export function jiraMyself(state: AtlassianState, call: Call): Reply {
  return authenticated(state, call, (user, family) => {
    const cloudId = call.params.cloudId ?? ''
    const sites = state.grants.sites(family.clientId, family.accountId)
    if (!sites.includes(cloudId) || !user.sites.includes(cloudId)) return problem(404, 'Not Found')
    if (!state.sites.get(cloudId)?.products.includes('jira')) return problem(404, 'Not Found')
    if (!family.scopes.includes('read:jira-user')) return problem(403, 'Unauthorized; scope does not match')
    return json(200, {
      self: `${state.api}/ex/jira/${cloudId}/rest/api/3/user?accountId=${encodeURIComponent(user.accountId)}`,
      accountId: user.accountId,
      accountType: 'atlassian',
      emailAddress: user.email ?? '',
      displayName: user.name,
      active: true,
    })
  })
}
