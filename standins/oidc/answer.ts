import { IncomingMessage, type ServerResponse } from 'node:http'
import type { Context, Provider } from 'oidc-provider'
import { changedCallback } from '../kit/callback.ts'
import type { Call, Reply } from '../kit/exchange.ts'
import type { Answer } from '../kit/server.ts'
import { interact } from './interaction.ts'
import type { OidcState } from './state.ts'

/** The request once more, unread: its body was read for the log. */
function unread(request: IncomingMessage, call: Call): IncomingMessage {
  const copy = new IncomingMessage(request.socket)
  copy.method = call.method
  copy.url = request.url ?? '/'
  copy.headers = { ...request.headers }
  // Without this the stream's end would take the whole connection down.
  copy.complete = true
  copy.push(call.rawBody)
  copy.push(null)
  return copy
}

function replyOf(context: Context, response: ServerResponse): Reply {
  const headers = { ...context.response.headers }
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  const { body } = context
  if (body === undefined || body === null) return { status: context.status, headers, body: '' }
  return { status: context.status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) }
}

/** On its way back to a client a redirect carries `iss` the way the control API wants it. */
function withCallback(state: OidcState, reply: Reply): Reply {
  const location = reply.headers.location
  if (typeof location !== 'string' || location.startsWith('/') || location.startsWith(state.issuer))
    return reply
  const callback = changedCallback(state.core.callbacks, new URL(location), state.issuer)
  return { ...reply, headers: { ...reply.headers, location: callback.href }, body: '' }
}

/** Lets the library answer, but keeps its answer from being sent, so that faults can be laid over it. */
export function answerWith(state: OidcState, provider: Provider): Answer {
  const contexts = new WeakMap<IncomingMessage, Context>()
  provider.use(async (context, next) => {
    await next()
    context.respond = false
    contexts.set(context.req, context)
  })
  const handle = provider.callback()

  return async (call, request, response) => {
    const copy = unread(request, call)
    if (call.path.startsWith('/interaction/')) return interact(state, provider, call, copy, response)
    await handle(copy, response)
    const context = contexts.get(copy)
    if (!context) throw new Error(`the library did not answer ${call.method} ${call.path}`)
    const { 'content-length': _, ...headers } = replyOf(context, response).headers
    return withCallback(state, { ...replyOf(context, response), headers })
  }
}
