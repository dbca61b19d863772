import type { z } from 'zod'
import { listEvents, userinfo } from './google/api.ts'
import { authorize } from './google/authorize.ts'
import { type GoogleControl, googleControl } from './google/control.ts'
import { createGrantStore } from './google/grants.ts'
import { discovery, jwks, paths } from './google/metadata.ts'
import {
  type clientSchema,
  defaultSwitches,
  type GoogleState,
  type GoogleUser,
  type userSchema,
} from './google/state.ts'
import { exchangeToken, revoke } from './google/token.ts'
import { createCodeStore } from './kit/codes.ts'
import { createDirectory } from './kit/directory.ts'
import { createKeyRing } from './kit/keys.ts'
import { answerRoutes, openStandin, type Standin, type StandinOptions } from './standin.ts'

export type GoogleOptions = StandinOptions & {
  port?: number
  clients?: z.input<typeof clientSchema>[]
  users?: z.input<typeof userSchema>[]
}

export type Google = Standin & {
  /** The issuer: every endpoint and the control API live on this origin. */
  url: string
  issuer: string
  control: GoogleControl
}

const codeLifetime = 600

/** A strict Google: OpenID Connect, its refresh rules, and a calendar. */
export async function startGoogle(options: GoogleOptions = {}): Promise<Google> {
  const { core, urls, serve } = await openStandin(
    {
      name: 'google',
      ports: { issuer: options.port ?? 0 },
      issuer: ({ issuer }) => issuer,
      iss: 'always',
    },
    options,
  )
  const switches = { ...defaultSwitches }
  const state: GoogleState = {
    core,
    issuer: urls.issuer,
    clients: new Map(),
    users: createDirectory<GoogleUser>({
      id: (user) => user.sub,
      alias: (user) => user.email,
      label: (user) => user.name ?? user.email,
    }),
    switches,
    codes: createCodeStore(core, codeLifetime),
    grants: createGrantStore(core, switches),
    keys: await createKeyRing(core.ids),
  }
  const control = googleControl(state)
  for (const client of options.clients ?? []) control.addClient(client)
  for (const user of options.users ?? []) control.addUser(user)

  const routes = answerRoutes({
    'GET /.well-known/openid-configuration': () => discovery(state),
    [`GET ${paths.jwks}`]: () => jwks(state),
    [`GET ${paths.authorize}`]: (call) => authorize(state, call),
    [`POST ${paths.authorize}`]: (call) => authorize(state, call),
    [`POST ${paths.token}`]: (call) => exchangeToken(state, call),
    [`POST ${paths.revoke}`]: (call) => revoke(state, call),
    [`GET ${paths.userinfo}`]: (call) => userinfo(state, call),
    'GET /calendar/v3/calendars/primary/events': (call) => listEvents(state, call),
  })
  const standin = serve({ issuer: routes }, control)
  const stop = async () => {
    await standin.stop()
    state.keys.release()
  }
  return { ...standin, stop, url: state.issuer, issuer: state.issuer, control }
}
