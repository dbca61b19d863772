import type { z } from 'zod'
import { getUser, listEmails, listRepositories } from './github/api.ts'
import { checkToken, deleteGrant, deleteToken, resetToken } from './github/applications.ts'
import { authorize } from './github/authorize.ts'
import { type GithubControl, githubControl } from './github/control.ts'
import { metadata } from './github/metadata.ts'
import { type clientSchema, defaultSwitches, type GithubState, type userSchema } from './github/state.ts'
import { exchangeToken } from './github/token.ts'
import { createTokenStore } from './github/tokens.ts'
import { createCodeStore } from './kit/codes.ts'
import { answerRoutes, openStandin, type Standin, type StandinOptions } from './standin.ts'

export type GithubOptions = StandinOptions & {
  port?: number
  apiPort?: number
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

/** A strict GitHub: OAuth Apps and GitHub Apps on one origin, the REST API on another. */
export async function startGithub(options: GithubOptions = {}): Promise<Github> {
  const { core, urls, serve } = await openStandin(
    'github',
    { web: options.port ?? 0, api: options.apiPort ?? 0 },
    options,
  )
  const switches = { ...defaultSwitches }
  const state: GithubState = {
    core,
    ...urls,
    issuer: `${urls.web}/login/oauth`,
    clients: new Map(),
    users: new Map(),
    switches,
    codes: createCodeStore(core.clock.now, codeLifetime),
    tokens: createTokenStore(core, () => switches),
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
  const api = answerRoutes({
    'GET /user': (call) => getUser(state, call),
    'GET /user/emails': (call) => listEmails(state, call),
    'GET /user/repos': (call) => listRepositories(state, call),
    'POST /applications/:client/token': (call) => checkToken(state, call),
    'PATCH /applications/:client/token': (call) => resetToken(state, call),
    'DELETE /applications/:client/token': (call) => deleteToken(state, call),
    'DELETE /applications/:client/grant': (call) => deleteGrant(state, call),
  })
  const standin = serve({ web, api }, control)
  return { ...standin, ...urls, url: urls.web, issuer: state.issuer, control }
}
