import { z } from 'zod'
import { ControlError, command, commonControl } from '../kit/control.ts'
import {
  type AtlassianState,
  type AtlassianUser,
  clientSchema,
  siteSchema,
  switchesSchema,
  userSchema,
} from './state.ts'

export type AtlassianControl = ReturnType<typeof atlassianControl>

function findUser(state: AtlassianState, name: string): AtlassianUser | undefined {
  return [...state.users.values()].find((user) => user.accountId === name || user.email === name)
}

function getUser(state: AtlassianState, name: string): AtlassianUser {
  const user = findUser(state, name)
  if (!user) throw new ControlError(`no such user: ${name}`)
  return user
}

/** Users are named by their account id or their address. */
export function atlassianControl(state: AtlassianState) {
  return {
    ...commonControl(state.core, (name) => findUser(state, name)?.accountId),
    addClient: command(clientSchema, (client) => {
      state.clients.set(client.clientId, client)
    }),
    addSite: command(siteSchema, (site) => {
      state.sites.set(site.id, site)
    }),
    /** An administrator takes the app off a site. */
    removeSite: command(z.string(), (id) => state.grants.removeSite(id)),
    /** Seeds a user, or replaces the one with the same account id. */
    addUser: command(userSchema, (user) => {
      state.users.set(user.accountId, user)
    }),
    set: command(switchesSchema.partial(), (patch) => {
      Object.assign(state.switches, patch)
    }),
    /** A new password ends every token family of the account. */
    passwordChanged: command(z.string(), (name) => {
      const { accountId } = getUser(state, name)
      return state.grants.endFamilies((family) => family.accountId === accountId)
    }),
    /** The person disconnects the app, or one access token dies before its time. */
    revoke: command(
      z.union([
        z.strictObject({ token: z.string() }),
        z.strictObject({ user: z.string(), clientId: z.string() }),
      ]),
      (target) => {
        if ('token' in target) return state.grants.expireAccess(target.token)
        const { accountId } = getUser(state, target.user)
        state.grants.forget(target.clientId, accountId)
        return state.grants.endFamilies(
          (family) => family.accountId === accountId && family.clientId === target.clientId,
        )
      },
    ),
    rateLimit: command(
      z.strictObject({
        seconds: z.int(),
        times: z.union([z.int().positive(), z.literal('always')]).default('always'),
      }),
      ({ seconds, times }) => {
        const headers = { 'retry-after': String(seconds), 'x-ratelimit-remaining': '0' }
        state.core.faults.add({
          on: '*',
          origin: 'api',
          times,
          skip: 0,
          effect: {
            kind: 'respond',
            status: 429,
            headers,
            body: { code: 429, message: 'Rate limit exceeded' },
          },
        })
      },
    ),
  }
}
