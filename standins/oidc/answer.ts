import { IncomingMessage, type ServerResponse } from 'node:http'
import type { Context, Provider } from 'oidc-provider'
import type { Call, Reply } from '../kit/exchange.ts'
import type { Answer } from '../kit/server.ts'
import type { Adapters } from './adapter.ts'
import { interact } from './interaction.ts'
import { sessionCookie } from './provider.ts'
import type { OidcState } from './state.ts'

/** The request once more, unread: its body was read for the log. */
function unread(request: IncomingMessage, call: Call, headers: Call['headers']): IncomingMessage {
  const copy = new IncomingMessage(request.socket)
  copy.method = call.method
  copy.url = call.url
  copy.headers = { ...headers }
  // Without this the end of the copy would take the whole connection down.
  copy.complete = true
  copy.push(call.rawBody)
  copy.push(null)
  return copy
}

/**
 * A browser whose session is somebody else's than the control API wants is one without a session: the library would
 * rather have a person confirm that the other one is signed out.
 */
async function withoutForeignSession(
  { core }: OidcState,
  adapters: Adapters,
  call: Call,
): Promise<Call['headers']> {
  const wanted = core.browser.script.currentUser
  const session = await adapters.forModel('Session').find?.(call.cookies[sessionCookie] ?? '', {})
  if (wanted === undefined || session?.accountId === wanted) return call.headers
  const dropped = [sessionCookie, `${sessionCookie}.sig`]
  const kept = Object.entries(call.cookies).filter(([name]) => !dropped.includes(name))
  return { ...call.headers, cookie: kept.map(([name, value]) => `${name}=${value}`).join('; ') }
}

/** What the library would have sent, taken out of its response. */
function takeReply({ status, body }: Context, response: ServerResponse): Reply {
  const headers: Reply['headers'] = {}
  for (const [name, value] of Object.entries(response.getHeaders())) {
    response.removeHeader(name)
    if (name !== 'content-length' && value !== undefined) {
      headers[name] = Array.isArray(value) ? value : String(value)
    }
  }
  if (body === undefined || body === null) return { status, headers, body: '' }
  return { status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) }
}

/** On its way back to a client a redirect carries `iss` the way the control API wants it. */
function withCallback({ core, issuer }: OidcState, reply: Reply): Reply {
  const { location } = reply.headers
  if (typeof location !== 'string' || location.startsWith('/') || location.startsWith(`${issuer}/`)) {
    return reply
  }
  const callback = core.callbacks.changed(new URL(location))
  return { ...reply, headers: { ...reply.headers, location: callback.href }, body: '' }
}

/** Lets the library answer, but keeps its answer from being sent, so that faults can be laid over it. */
export function answerWith(state: OidcState, adapters: Adapters, provider: Provider): Answer {
  const contexts = new WeakMap<IncomingMessage, Context>()
  provider.use(async (context, next) => {
    await next()
    context.respond = false
    contexts.set(context.req, context)
  })
  const handle = provider.callback()

  return async (call, request, response) => {
    const copy = unread(request, call, await withoutForeignSession(state, adapters, call))
    if (call.path.startsWith('/interaction/')) return interact(state, provider, call, copy, response)
    await handle(copy, response)
    const context = contexts.get(copy)
    if (!context) throw new Error(`the library did not answer ${call.method} ${call.path}`)
    return withCallback(state, takeReply(context, response))
  }
}
