import { z } from 'zod'
import { ControlError, command } from '../kit/command.ts'
import { commonControl, tickControl } from '../kit/control.ts'
import { timesSchema } from '../kit/faults.ts'
import { paths } from './metadata.ts'
import { clientSchema, type GoogleState, switchesSchema, userSchema } from './state.ts'

export type GoogleControl = ReturnType<typeof googleControl>

const limitSchema = z.strictObject({
  seconds: z.int(),
  status: z.union([z.literal(403), z.literal(429)]).default(429),
  times: timesSchema.default('always'),
})

const revocationSchema = z.union([
  z.strictObject({ token: z.string() }),
  z.strictObject({ user: z.string(), clientId: z.string() }),
])

/** Users are named by their address or their `sub`. */
export function googleControl(state: GoogleState) {
  const { core, users, grants } = state
  return {
    ...commonControl(core, users),
    ...tickControl(core),
    addClient: command(clientSchema, (client) => {
      state.clients.set(client.clientId, client)
    }),
    /** Seeds a user, or replaces the one with the same `sub`. */
    addUser: command(userSchema, (user) => users.add(user)),
    set: command(switchesSchema.partial(), (patch) => {
      Object.assign(state.switches, patch)
    }),
    /** One token dies for a reason of Google's, or the user removes the app's access. */
    revoke: command(revocationSchema, (target) => {
      if ('user' in target) return grants.revoke({ ...target, user: users.get(target.user).sub })
      const token = grants.find(target.token)
      if (!token) throw new ControlError('no such live token')
      return grants.forget(token)
    }),
    /** The second published key signs from now on; `hard`: a key nobody could have fetched yet. */
    rotateKeys: command(z.enum(['smooth', 'hard']).default('smooth'), (how) => state.keys.rotate(how)),
    /** Answers API calls as if a limit were used up, until `clearScripts` or for a number of `times`. */
    rateLimit: command(limitSchema, ({ seconds, status, times }) => {
      const message = `User Rate Limit Exceeded. Retry after ${seconds} seconds.`
      const error = { code: status, message, errors: [{ reason: 'userRateLimitExceeded' }] }
      const headers = { 'retry-after': String(seconds) }
      const effect = { kind: 'respond' as const, status, headers, body: { error } }
      core.faults.add({ on: [`GET ${paths.userinfo}`, 'GET /calendar/*'], times, skip: 0, effect })
    }),
  }
}
