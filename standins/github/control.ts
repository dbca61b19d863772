import { z } from 'zod'
import { ControlError, command } from '../kit/command.ts'
import { commonControl, tickControl } from '../kit/control.ts'
import { timesSchema } from '../kit/faults.ts'
import { clientSchema, type GithubState, switchesSchema, userSchema } from './state.ts'

export type GithubControl = ReturnType<typeof githubControl>

const limitSchema = z.strictObject({
  kind: z.enum(['primary', 'secondary']),
  /** Until the limit resets, or to wait. */
  seconds: z.int(),
  status: z.union([z.literal(403), z.literal(429)]).default(403),
  times: timesSchema.default('always'),
})

const revocationSchema = z.union([
  z.strictObject({ token: z.string() }),
  z.strictObject({ user: z.string(), clientId: z.string() }),
])

/** Users are named by their login or their id. */
export function githubControl(state: GithubState) {
  const { core, users, tokens } = state
  return {
    ...commonControl(core, users),
    ...tickControl(core),
    addClient: command(clientSchema, (client) => {
      state.clients.set(client.clientId, client)
    }),
    /** Seeds a user, or replaces the one with the same id: a renamed login, other addresses. */
    addUser: command(userSchema, (user) => users.add(user)),
    set: command(switchesSchema.partial(), (patch) => {
      Object.assign(state.switches, patch)
    }),
    /** One token dies, or all a user has at an app, as when the user removes it from the "authorized apps". */
    revoke: command(revocationSchema, (target) => {
      if ('user' in target) return tokens.revokeGrant({ ...target, user: users.idOf(users.get(target.user)) })
      const token = tokens.findByAccess(target.token)
      if (!token) throw new ControlError('no such live token')
      return tokens.revoke(token)
    }),
    /** Answers API calls as if the limit were used up, until `clearScripts` or for a number of `times`. */
    rateLimit: command(limitSchema, ({ kind, seconds, status, times }) => {
      const reset = String(core.clock.now() + seconds)
      const headers =
        kind === 'primary'
          ? { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }
          : { 'retry-after': String(seconds) }
      const body = { message: `You have exceeded a ${kind} rate limit` }
      const effect = { kind: 'respond' as const, status, headers, body }
      core.faults.add({ on: '*', origin: 'api', times, skip: 0, effect })
    }),
  }
}
