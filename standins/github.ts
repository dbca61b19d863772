import type { z } from 'zod'
import { getUser, listEmails, listRepositories, withAgent } from './github/api.ts'
import { checkToken, deleteGrant, deleteToken, resetToken } from './github/applications.ts'
import { authorize } from './github/authorize.ts'
import { type GithubControl, githubControl } from './github/control.ts'
import { metadata } from './github/metadata.ts'
import {
  type clientSchema,
  defaultSwitches,
  type GithubState,
  type GithubUser,
  type userSchema,
} from './github/state.ts'
import { exchangeToken } from './github/token.ts'
import { createTokenStore } from './github/tokens.ts'
import { createCodeStore } from './kit/codes.ts'
import { createDirectory } from './kit/directory.ts'
import { answerRoutes, openStandin, type Standin, type StandinOptions } from './standin.ts'

export type GithubOptions = StandinOptions & {
  port?: number
  apiPort?: number
  /** Where the API lives on its origin; an Enterprise Server has it at `/api/v3`. */
  apiPath?: string
  clients?: z.input<typeof clientSchema>[]
  users?: z.input<typeof userSchema>[]
}

export type Github = Standin & {
  /** The web base; the control API lives here, too. */
  url: string
  web: string
  api: string
  issuer: string
  control: GithubControl
}

const codeLifetime = 600

const issuerOf = (web: string) => `${web}/login/oauth`

/** A strict GitHub: OAuth Apps and GitHub Apps on one origin, the REST API on another. */
export async function startGithub(options: GithubOptions = {}): Promise<Github> {
  const ports = { web: options.port ?? 0, api: options.apiPort ?? 0 }
  const { core, urls, serve } = await openStandin(
    { name: 'github', ports, issuer: ({ web }) => issuerOf(web), iss: 'always' },
    options,
  )
  const apiPath = options.apiPath ?? ''
  const bases = { web: urls.web, api: urls.api + apiPath }
  const switches = { ...defaultSwitches }
  const state: GithubState = {
    core,
    ...bases,
    clients: new Map(),
    users: createDirectory<GithubUser>({
      id: (user) => String(user.id),
      alias: (user) => user.login,
      label: (user) => user.name ?? user.login,
    }),
    switches,
    codes: createCodeStore(core, codeLifetime),
    tokens: createTokenStore(core, switches),
  }
  const control = githubControl(state)
  for (const client of options.clients ?? []) control.addClient(client)
  for (const user of options.users ?? []) control.addUser(user)

  const web = answerRoutes({
    'GET /login/oauth/authorize': (call) => authorize(state, call),
    'POST /login/oauth/authorize': (call) => authorize(state, call),
    'POST /login/oauth/access_token': (call) => exchangeToken(state, call),
    'GET /.well-known/oauth-authorization-server/login/oauth': () => metadata(state),
    'GET /login/oauth/.well-known/openid-configuration': () => metadata(state),
  })
  const api = answerRoutes(
    {
      'GET /user': (call) => getUser(state, call),
      'GET /user/emails': (call) => listEmails(state, call),
      'GET /user/repos': (call) => listRepositories(state, call),
      'POST /applications/:client/token': (call) => checkToken(state, call),
      'PATCH /applications/:client/token': (call) => resetToken(state, call),
      'DELETE /applications/:client/token': (call) => deleteToken(state, call),
      'DELETE /applications/:client/grant': (call) => deleteGrant(state, call),
    },
    apiPath,
  )
  const standin = serve({ web, api: withAgent(api) }, control)
  return { ...standin, ...bases, url: urls.web, issuer: issuerOf(urls.web), control }
}
