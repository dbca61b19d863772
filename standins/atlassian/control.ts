import { z } from 'zod'
import { ControlError, command } from '../kit/command.ts'
import { commonControl } from '../kit/control.ts'
import { timesSchema } from '../kit/faults.ts'
import { type AtlassianState, clientSchema, siteSchema, switchesSchema, userSchema } from './state.ts'

export type AtlassianControl = ReturnType<typeof atlassianControl>

const limitSchema = z.strictObject({ seconds: z.int(), times: timesSchema.default('always') })

const revocationSchema = z.union([
  z.strictObject({ token: z.string() }),
  z.strictObject({ user: z.string(), clientId: z.string() }),
])

/** Users are named by their account id or their address. */
export function atlassianControl(state: AtlassianState) {
  const { core, users, sites, grants } = state
  const accountOf = (name: string) => users.get(name).accountId
  return {
    ...commonControl(core, users),
    addClient: command(clientSchema, (client) => {
      state.clients.set(client.clientId, client)
    }),
    addSite: command(siteSchema, (site) => {
      sites.set(site.id, site)
    }),
    /** An administrator takes the app off a site. */
    removeSite: command(z.string(), (id) => grants.removeSite(id)),
    /** Seeds a user, or replaces the one with the same account id. */
    addUser: command(userSchema, (user) => users.add(user)),
    set: command(switchesSchema.partial(), (patch) => {
      Object.assign(state.switches, patch)
    }),
    /** A new password ends every token family of the account. */
    passwordChanged: command(z.string(), (name) => {
      const account = accountOf(name)
      return grants.endFamilies((family) => family.user === account)
    }),
    /** One token dies before its time, or the person disconnects the app. */
    revoke: command(revocationSchema, (target) => {
      if ('user' in target) {
        const owner = { clientId: target.clientId, user: accountOf(target.user) }
        grants.removeSites(owner)
        return grants.endFamilies(
          (family) => family.user === owner.user && family.clientId === owner.clientId,
        )
      }
      if (!grants.forget(target.token)) throw new ControlError('no such live token')
      return 1
    }),
    /** Answers API calls as if a limit were used up, until `clearScripts` or for a number of `times`. */
    rateLimit: command(limitSchema, ({ seconds, times }) => {
      const headers = { 'retry-after': String(seconds), 'x-ratelimit-remaining': '0' }
      const body = { code: 429, message: 'Rate limit exceeded' }
      const effect = { kind: 'respond' as const, status: 429, headers, body }
      core.faults.add({ on: '*', origin: 'api', times, skip: 0, effect })
    }),
  }
}
