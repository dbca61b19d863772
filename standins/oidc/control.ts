import { command, commonControl } from '../kit/control.ts'
import { clientSchema, type OidcState, switchesSchema, userSchema } from './state.ts'

export type OidcControl = ReturnType<typeof oidcControl>

/** Users are named by their address or their `sub`. */
export function oidcControl(state: OidcState) {
  return {
    ...commonControl(
      state.core,
      (name) => [...state.users.values()].find((user) => user.sub === name || user.email === name)?.sub,
    ),
    addClient: command(clientSchema, (client) => {
      state.clients.set(client.clientId, client)
    }),
    addUser: command(userSchema, (user) => {
      state.users.set(user.sub, user)
    }),
    set: command(switchesSchema.partial(), (patch) => {
      Object.assign(state.switches, patch)
    }),
  }
}
