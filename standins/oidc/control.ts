import { z } from 'zod'
import { command } from '../kit/command.ts'
import { commonControl } from '../kit/control.ts'
import type { Adapters } from './adapter.ts'
import { clientSchema, type OidcState, switchesSchema, userSchema } from './state.ts'

export type OidcControl = ReturnType<typeof oidcControl>

/** Users are named by their address or their `sub`. */
export function oidcControl(state: OidcState, adapters: Adapters) {
  const { core, users } = state
  return {
    ...commonControl(core, users),
    addClient: command(clientSchema, (client) => {
      state.clients.set(client.clientId, client)
    }),
    addUser: command(userSchema, (user) => users.add(user)),
    set: command(switchesSchema.partial(), (patch) => {
      Object.assign(state.switches, patch)
    }),
    /** The user removes the app: all tokens die, and the next sign-in asks again. */
    revoke: command(z.strictObject({ user: z.string(), clientId: z.string() }), (target) =>
      adapters.revoke({ ...target, user: users.get(target.user).sub }),
    ),
  }
}
