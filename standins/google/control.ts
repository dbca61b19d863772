import { z } from 'zod'
import { ControlError, command, commonControl } from '../kit/control.ts'
import { clientSchema, type GoogleState, type GoogleUser, switchesSchema, userSchema } from './state.ts'

export type GoogleControl = ReturnType<typeof googleControl>

function findUser(state: GoogleState, name: string): GoogleUser | undefined {
  return [...state.users.values()].find((user) => user.sub === name || user.email === name)
}

/** Users are named by their address or their `sub`. */
export function googleControl(state: GoogleState) {
  return {
    ...commonControl(state.core, (name) => findUser(state, name)?.sub),
    addClient: command(clientSchema, (client) => {
      state.clients.set(client.clientId, client)
    }),
    /** Seeds a user, or replaces the one with the same `sub`. */
    addUser: command(userSchema, (user) => {
      state.users.set(user.sub, user)
    }),
    set: command(switchesSchema.partial(), (patch) => {
      Object.assign(state.switches, patch)
    }),
    /** The user removes the app's access, or one token dies for a reason of Google's. */
    revoke: command(
      z.union([
        z.strictObject({ token: z.string() }),
        z.strictObject({ user: z.string(), clientId: z.string() }),
      ]),
      (target) => {
        if ('token' in target) return state.grants.revokeToken(target.token)
        const user = findUser(state, target.user)
        if (!user) throw new ControlError(`no such user: ${target.user}`)
        return state.grants.revoke([target.clientId], user.sub)
      },
    ),
    /** The second published key signs from now on; `hard`: a key nobody could have fetched yet. */
    rotateKeys: command(z.enum(['smooth', 'hard']).default('smooth'), (how) => state.keys.rotate(how)),
    rateLimit: command(
      z.strictObject({
        seconds: z.int(),
        status: z.union([z.literal(403), z.literal(429)]).default(429),
        times: z.union([z.int().positive(), z.literal('always')]).default('always'),
      }),
      ({ seconds, status, times }) => {
        const error = {
          code: status,
          message: 'User Rate Limit Exceeded',
          errors: [{ reason: 'userRateLimitExceeded' }],
        }
        state.core.faults.add({
          on: 'GET *',
          times,
          skip: 0,
          effect: { kind: 'respond', status, headers: { 'retry-after': String(seconds) }, body: { error } },
        })
      },
    ),
  }
}
