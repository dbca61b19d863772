import type { z } from 'zod'
import { createDirectory } from './kit/directory.ts'
import { createKeyRing } from './kit/keys.ts'
import { createAdapters } from './oidc/adapter.ts'
import { answerWith } from './oidc/answer.ts'
import { type OidcControl, oidcControl } from './oidc/control.ts'
import { createProvider } from './oidc/provider.ts'
import {
  type clientSchema,
  defaultSwitches,
  type OidcState,
  type OidcUser,
  type userSchema,
} from './oidc/state.ts'
import { openStandin, type Standin, type StandinOptions } from './standin.ts'

export type OidcOptions = StandinOptions & {
  port?: number
  /** Where `name` and `email` are: in the ID token as well, or at userinfo only. */
  claims?: 'id_token' | 'userinfo'
  clients?: z.input<typeof clientSchema>[]
  users?: z.input<typeof userSchema>[]
}

export type Oidc = Standin & { url: string; issuer: string; control: OidcControl }

/** A third party's OpenID Provider, so that not everything is tested against our own reading of the standards. */
export async function startOidc(options: OidcOptions = {}): Promise<Oidc> {
  const { core, urls, serve } = await openStandin(
    { name: 'oidc', ports: { issuer: options.port ?? 0 }, issuer: ({ issuer }) => issuer, iss: 'always' },
    options,
  )
  const state: OidcState = {
    core,
    issuer: urls.issuer,
    claims: options.claims ?? 'id_token',
    clients: new Map(),
    users: createDirectory<OidcUser>({
      id: (user) => user.sub,
      alias: (user) => user.email,
      label: (user) => user.name,
    }),
    switches: { ...defaultSwitches },
    keys: await createKeyRing(core.ids),
  }
  const adapters = createAdapters(state)
  const control = oidcControl(state, adapters)
  for (const client of options.clients ?? []) control.addClient(client)
  for (const user of options.users ?? []) control.addUser(user)

  const provider = await createProvider(state, adapters)
  const standin = serve({ issuer: answerWith(state, adapters, provider) }, control)
  const stop = async () => {
    await standin.stop()
    state.keys.release()
  }
  return { ...standin, stop, url: state.issuer, issuer: state.issuer, control }
}
