import type { Needs } from '../checks.ts'
import type { Entered, GuardedTools } from '../guarded-tools.ts'
import type { Guard } from '../protect.ts'
import type { NodeAnswer } from './answer-courses.ts'
import type { NodeBody } from './node-body.ts'
import { type NodeRequest, visitorOf } from './node-request.ts'
import { passNode } from './node-tools.ts'

type FastifyRequest = {
  readonly raw: NodeRequest & NodeBody
  readonly body?: unknown
  /** Where the client is, as Fastify knows with its `trustProxy`. */
  readonly ip?: string
}
type FastifyReply = { readonly raw: NodeAnswer; send(answer: unknown): unknown }

/** As much of a Fastify instance as the plugin uses. */
export type FastifyScope = {
  addHook(
    name: 'onRequest' | 'preHandler',
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
    if (guard.tools) guardTools(scope, guard.tools, needs)
    else guardTokens(scope, guard, needs)
    // Hooks run for routes alone. The hook above answers these before their handler is asked.
    for (const url of guard.documentPaths) {
      const handler = (_request: FastifyRequest, reply: FastifyReply) => reply.send('')
      scope.route({ method: ['GET', 'HEAD', 'OPTIONS'], url, exposeHeadRoute: false, handler })
    }
  }
  // What fastify-plugin sets: the hook is for the scope that registers the plugin, not for one of its own.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

function guardTokens(scope: FastifyScope, guard: Guard, needs: Needs | undefined): void {
  scope.addHook('onRequest', async ({ raw }, reply) => {
    const checked = await guard.admit(visitorOf(raw), needs)
    if (checked instanceof Response) return reply.send(checked)
    Object.assign(raw, { auth: checked.authInfo })
    return undefined
  })
}

/** Who calls is known before the body is parsed, what they call after. */
function guardTools(scope: FastifyScope, tools: GuardedTools, needs: Needs | undefined): void {
  const entries = new WeakMap<object, Entered>()
  scope.addHook('onRequest', async ({ raw }, reply) => {
    const entered = await tools.enter(visitorOf(raw), needs)
    if (entered instanceof Response) return reply.send(entered)
    entries.set(raw, entered)
    return undefined
  })
  scope.addHook('preHandler', async ({ raw: request, body, ip }, reply) => {
    const entered = entries.get(request)
    if (!entered) throw new TypeError('preHandler is reached after onRequest')
    const call = { request, response: reply.raw, parsed: body ?? undefined, address: ip }
    const refusal = await passNode(tools, entered, call)
    return refusal && reply.send(refusal)
  })
}
