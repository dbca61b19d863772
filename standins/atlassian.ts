import type { z } from 'zod'
import { accessibleResources, jiraMyself, me } from './atlassian/api.ts'
import { authorize } from './atlassian/authorize.ts'
import { type AtlassianControl, atlassianControl } from './atlassian/control.ts'
import { createGrantStore } from './atlassian/grants.ts'
import { misleadingDiscovery } from './atlassian/metadata.ts'
import {
  type AtlassianState,
  type AtlassianUser,
  type clientSchema,
  defaultSwitches,
  type siteSchema,
  type userSchema,
} from './atlassian/state.ts'
import { exchangeToken, revoke } from './atlassian/token.ts'
import { createCodeStore } from './kit/codes.ts'
import { createDirectory } from './kit/directory.ts'
import { answerRoutes, openStandin, type Standin, type StandinOptions } from './standin.ts'

export type AtlassianOptions = StandinOptions & {
  port?: number
  apiPort?: number
  clients?: z.input<typeof clientSchema>[]
  sites?: z.input<typeof siteSchema>[]
  users?: z.input<typeof userSchema>[]
}

export type Atlassian = Standin & {
  /** The authorization base; the control API lives here, too. */
  url: string
  auth: string
  api: string
  control: AtlassianControl
}

const codeLifetime = 600

/** A strict Atlassian Cloud: 3LO apps on one origin, the API gateway on another. */
export async function startAtlassian(options: AtlassianOptions = {}): Promise<Atlassian> {
  const { core, urls, serve } = await openStandin(
    {
      name: 'atlassian',
      ports: { auth: options.port ?? 0, api: options.apiPort ?? 0 },
      issuer: ({ auth }) => auth,
      iss: 'never',
    },
    options,
  )
  const switches = { ...defaultSwitches }
  const state: AtlassianState = {
    core,
    ...urls,
    clients: new Map(),
    users: createDirectory<AtlassianUser>({
      id: (user) => user.accountId,
      alias: (user) => user.email,
      label: (user) => user.name,
    }),
    sites: new Map(),
    switches,
    codes: createCodeStore(core, codeLifetime),
    grants: createGrantStore(core, switches),
  }
  const control = atlassianControl(state)
  for (const client of options.clients ?? []) control.addClient(client)
  for (const site of options.sites ?? []) control.addSite(site)
  for (const user of options.users ?? []) control.addUser(user)

  const auth = answerRoutes({
    'GET /authorize': (call) => authorize(state, call),
    'POST /authorize': (call) => authorize(state, call),
    'POST /oauth/token': (call) => exchangeToken(state, call),
    'POST /oauth/revoke': (call) => revoke(state, call),
    'GET /.well-known/openid-configuration': () => misleadingDiscovery(state),
  })
  const api = answerRoutes({
    'GET /oauth/token/accessible-resources': (call) => accessibleResources(state, call),
    'GET /me': (call) => me(state, call),
    'GET /ex/jira/:cloudId/rest/api/3/myself': (call) => jiraMyself(state, call),
  })
  const standin = serve({ auth, api }, control)
  return { ...standin, ...urls, url: urls.auth, control }
}
