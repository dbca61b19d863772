import { z } from 'zod'
import { ControlError, command, commonControl } from '../kit/control.ts'
import { clientSchema, type GithubState, type GithubUser, switchesSchema, userSchema } from './state.ts'

export type GithubControl = ReturnType<typeof githubControl>

function findUser(state: GithubState, name: string): GithubUser | undefined {
  return [...state.users.values()].find((user) => user.login === name || String(user.id) === name)
}

function getUser(state: GithubState, name: string): GithubUser {
  const user = findUser(state, name)
  if (!user) throw new ControlError(`no such user: ${name}`)
  return user
}

/** Users are named by their login or their id. */
export function githubControl(state: GithubState) {
  return {
    ...commonControl(state.core, (name) => {
      const user = findUser(state, name)
      return user && String(user.id)
    }),
    addClient: command(clientSchema, (client) => {
      state.clients.set(client.clientId, client)
    }),
    /** Seeds a user, or replaces the one with the same id: a renamed login, other addresses. */
    addUser: command(userSchema, (user) => {
      state.users.set(user.id, user)
    }),
    set: command(switchesSchema.partial(), (patch) => {
      Object.assign(state.switches, patch)
    }),
    /** What the user does under "authorized apps", or GitHub on its own: all tokens, or one of them. */
    revoke: command(
      z.union([
        z.strictObject({ token: z.string() }),
        z.strictObject({ user: z.string(), clientId: z.string() }),
      ]),
      (target) => {
        if ('user' in target) return state.tokens.revokeGrant(target.clientId, getUser(state, target.user).id)
        const token = state.tokens.findByAccess(target.token)
        if (!token) throw new ControlError('no such live token')
        state.tokens.revoke(token)
        return 1
      },
    ),
    /** Answers API calls as if the limit were used up, until `clearScripts` or for `times` calls. */
    rateLimit: command(
      z.strictObject({
        kind: z.enum(['primary', 'secondary']),
        seconds: z.int(),
        status: z.union([z.literal(403), z.literal(429)]).default(403),
        times: z.union([z.int().positive(), z.literal('always')]).default('always'),
      }),
      ({ kind, seconds, status, times }) => {
        const reset = String(state.core.clock.now() + seconds)
        state.core.faults.add({
          on: '*',
          origin: 'api',
          times,
          skip: 0,
          effect: {
            kind: 'respond',
            status,
            headers:
              kind === 'primary'
                ? { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }
                : { 'retry-after': String(seconds) },
            body: { message: `You have exceeded a ${kind} rate limit` },
          },
        })
      },
    ),
  }
}
