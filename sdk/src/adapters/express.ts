import type { Needs } from '../checks.ts'
import type { Guard } from '../protect.ts'
import { type NodeRequest, type NodeResponse, send, visitorOf } from './node-request.ts'

export type ExpressRequest = NodeRequest & { readonly originalUrl?: string }

/**
 * Middleware for Express, and for whatever else calls `(req, res, next)`. What is mounted after it is reached with a
 * valid token alone; `req.auth` is where the transports of the official SDK look for its owner.
 */
export function expressGuard(guard: Guard, needs?: Needs) {
  return async (
    request: ExpressRequest,
    response: NodeResponse,
    next: (error?: unknown) => void,
  ): Promise<void> => {
    try {
      // Express cuts the path a router is mounted at off `url`.
      const visitor = visitorOf(request, request.originalUrl ?? request.url)
      const checked = await guard.admit(visitor, needs)
      if (checked instanceof Response) return await send(checked, response)
      Object.assign(request, { auth: checked.authInfo })
    } catch (error) {
      return next(error)
    }
    next()
  }
}
