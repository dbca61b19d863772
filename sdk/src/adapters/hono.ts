import type { AuthInfo } from '../auth-info.ts'
import type { Needs } from '../checks.ts'
import type { Guard } from '../protect.ts'

/** As much of Hono's `Context` as the middleware uses. */
export type HonoContext = {
  readonly req: { readonly raw: Request }
  set(name: 'auth', value: AuthInfo): void
}

/**
 * Middleware for Hono. What comes after it is reached with a valid token alone; `c.get('auth')` is its owner, to be
 * handed to the transport: `transport.handleRequest(c.req.raw, { authInfo: c.get('auth') })`.
 */
export function honoGuard(guard: Guard, needs?: Needs) {
  return async (context: HonoContext, next: () => Promise<void>): Promise<Response | undefined> => {
    const checked = await guard.check(context.req.raw, needs)
    if (checked instanceof Response) return checked
    context.set('auth', checked.authInfo)
    await next()
    return undefined
  }
}
