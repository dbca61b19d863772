import type { Needs } from '../checks.ts'
import type { Guard } from '../protect.ts'
import type { NodeAnswer } from './answer-courses.ts'
import type { NodeBody } from './node-body.ts'
import { type NodeRequest, type NodeResponse, send, visitorOf } from './node-request.ts'
import { passNode } from './node-tools.ts'

export type ExpressRequest = NodeRequest & {
  readonly originalUrl?: string
  readonly body?: unknown
  /** Where the client is, as Express knows with its `trust proxy`. */
  readonly ip?: string | undefined
}

/**
 * Middleware for Express, and for whatever else calls `(req, res, next)`. What is mounted after it is reached with a
 * valid token alone; `req.auth` is where the transports of the official SDK look for its owner.
 */
export function expressGuard(guard: Guard, needs?: Needs) {
  return async (
    request: ExpressRequest & NodeBody,
    response: NodeResponse & NodeAnswer,
    next: (error?: unknown) => void,
  ): Promise<void> => {
    try {
      const refusal = await admit(guard, needs, request, response)
      if (refusal) return await send(refusal, response)
    } catch (error) {
      return next(error)
    }
    next()
  }
}

async function admit(
  { tools, admit }: Guard,
  needs: Needs | undefined,
  request: ExpressRequest & NodeBody,
  response: NodeAnswer,
): Promise<Response | undefined> {
  // Express cuts the path a router is mounted at off `url`.
  const visitor = visitorOf(request, request.originalUrl ?? request.url)
  if (tools) {
    const entered = await tools.enter(visitor, needs)
    if (entered instanceof Response) return entered
    return await passNode(tools, entered, { request, response, parsed: request.body, address: request.ip })
  }
  const checked = await admit(visitor, needs)
  if (checked instanceof Response) return checked
  Object.assign(request, { auth: checked.authInfo })
  return undefined
}
