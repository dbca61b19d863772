import type { Needs } from '../checks.ts'
import type { Guard } from '../protect.ts'
import { type NodeRequest, visitorOf } from './node-request.ts'

type FastifyRequest = { readonly raw: NodeRequest }
type FastifyReply = { send(answer: unknown): unknown }

/** As much of a Fastify instance as the plugin uses. */
export type FastifyScope = {
  addHook(
    name: 'onRequest',
    hook: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
  ): unknown
  route(options: {
    method: string[]
    url: string
    exposeHeadRoute: false
    handler: (request: FastifyRequest, reply: FastifyReply) => unknown
  }): unknown
}

/**
 * A Fastify plugin. All routes of the scope that registers it are reached with a valid token alone;
 * `request.raw.auth` is where the transports of the official SDK look for its owner.
 */
export function fastifyGuard(guard: Guard, needs?: Needs) {
  async function plugin(scope: FastifyScope): Promise<void> {
    scope.addHook('onRequest', async ({ raw }, reply) => {
      const checked = await guard.admit(visitorOf(raw), needs)
      if (checked instanceof Response) return reply.send(checked)
      Object.assign(raw, { auth: checked.authInfo })
      return undefined
    })
    // Hooks run for routes alone. The hook above answers these before their handler is asked.
    for (const url of guard.documentPaths) {
      const handler = (_request: FastifyRequest, reply: FastifyReply) => reply.send('')
      scope.route({ method: ['GET', 'HEAD', 'OPTIONS'], url, exposeHeadRoute: false, handler })
    }
  }
  // What fastify-plugin sets: the hook is for the scope that registers the plugin, not for one of its own.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}
