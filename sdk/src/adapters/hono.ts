import type { AuthInfo } from '../auth-info.ts'
import type { Needs } from '../checks.ts'
import type { Guard } from '../protect.ts'

/** As much of Hono's `Context` as the middleware uses. */
export type HonoContext = {
  readonly req: { raw: Request }
  // biome-ignore lint/suspicious/noExplicitAny: what a runtime puts there differs
  readonly env?: any
  get res(): Response
  set res(answer: Response | undefined)
  set(name: 'auth', value: AuthInfo): void
}

export type HonoNeeds<Context> = Needs & {
  /** Where the client is; unless said, the other end of the connection where Node's server tells it. */
  readonly address?: (context: Context) => string | undefined
}

/**
 * Middleware for Hono. What comes after it is reached with a valid token alone; `c.get('auth')` is its owner, to be
 * handed to the transport: `transport.handleRequest(c.req.raw, { authInfo: c.get('auth') })`.
 */
export function honoGuard<Context extends HonoContext>(guard: Guard, needs: HonoNeeds<Context> = {}) {
  const { address = peerOf } = needs
  return async (context: Context, next: () => Promise<void>): Promise<Response | undefined> => {
    let isHandled = false
    const answer = await guard.handle(
      context.req.raw,
      async (request, { authInfo }) => {
        isHandled = true
        context.req.raw = request
        context.set('auth', authInfo)
        await next()
        return context.res
      },
      { needs, address: address(context) },
    )
    if (!isHandled) return answer
    if (answer !== context.res) {
      // Hono would keep headers of the one it replaces, its length among them.
      context.res = undefined
      context.res = answer
    }
    return undefined
  }
}

function peerOf({ env }: HonoContext): string | undefined {
  const address: unknown = env?.incoming?.socket?.remoteAddress
  return typeof address === 'string' ? address : undefined
}
