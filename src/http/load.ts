import type { FastifyReply, FastifyRequest } from 'fastify'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { retrievalErrors } from '../grants/retrieval-error.ts'
import type { Precedence, UnderWay } from '../limits/load.ts'

/** Seconds after which whoever was refused may try again. */
const pause = 5

/** By the template of the route, whatever the names of its parts. */
const precedences: Readonly<Record<string, Precedence>> = {
  '/healthz': 'always',
  '/readyz': 'always',
  '/oauth/revoke': 'needed',
  '/oauth/token': 'needed',
  '/oauth/introspect': 'needed',
  '/v1/token-sessions/:part': 'needed',
  '/v1/token-sessions/:part/tokens/:part': 'needed',
  '/v1/decisions': 'needed',
  // Whoever began goes on before anybody else begins.
  '/oauth/interactions/:part': 'ordinary',
  '/oauth/callback/:part': 'ordinary',
  '/oauth/register/:part': 'ordinary',
  '/connect/:part': 'ordinary',
  '/account': 'ordinary',
  '/v1/token-sessions/:part/connect/:part': 'ordinary',
  '/v1/decisions/:part': 'ordinary',
  '/v1/tools': 'ordinary',
  '/oauth/authorize': 'new',
  '/oauth/register': 'new',
  // Of the admin API only what asks others; the rest is how an overload is ended.
  '/admin/v1/tests': 'new',
  '/admin/v1/providers/:part/check': 'new',
  '/admin/v1/resources/:part/application/probe': 'new',
}

/** Of what is not listed by itself. With a path in the issuer, metadata has that path at its end (RFC 8414 section 3.1). */
const families = [
  ['/.well-known/', 'always'],
  ['/admin/v1', 'needed'],
] as const satisfies readonly (readonly [prefix: string, Precedence])[]

/** What is nowhere in the list, if it is a route at all. */
export function precedenceOf(template: string | undefined): Precedence {
  if (template === undefined) return 'new'
  const route = template.replaceAll(/:\w+/g, ':part')
  return precedences[route] ?? families.find(([prefix]) => route.startsWith(prefix))?.[1] ?? 'ordinary'
}

type OnSendDone = (error: null, payload: unknown) => void
type Route = (request: FastifyRequest) => string | undefined

/**
 * The hooks that refuse what is too much before anything of it is read, and give up what takes too long. A request
 * counts from when it has come in whole until there is an answer, whoever still waits for it: those that come slowly
 * keep nobody out, nor do answers that wait on their connection behind an earlier one.
 */
export function guardLoad({ load, meter }: Pick<Gateway, 'load' | 'meter'>, routeOf: Route) {
  const known = new Map<string | undefined, Precedence>()
  const unanswered = new WeakMap<FastifyReply, UnderWay>()
  function placeOf(request: FastifyRequest): Precedence {
    const { url } = request.routeOptions
    const precedence = known.get(url) ?? precedenceOf(routeOf(request))
    known.set(url, precedence)
    return precedence
  }
  function refuseIfTooMuch(request: FastifyRequest): void {
    const precedence = placeOf(request)
    if (precedence === 'always' || !load.refuses(precedence)) return
    meter.count('loadRefusals', { precedence })
    throw tooBusy()
  }
  function begin(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    // What is never refused must not have others refused.
    if (placeOf(request) !== 'always') note(reply)
    done()
  }
  function note(reply: FastifyReply): void {
    const underWay: UnderWay = { since: performance.now(), giveUp: () => giveUp(reply) }
    load.begin(underWay)
    unanswered.set(reply, underWay)
  }
  function end(_request: FastifyRequest, reply: FastifyReply, payload: unknown, done: OnSendDone): void {
    const underWay = unanswered.get(reply)
    if (underWay) load.end(underWay)
    done(null, payload)
  }
  return { refuseIfTooMuch, begin, end }
}

/** What is done already is not undone, and whoever asks again finds it so. */
function giveUp(reply: FastifyReply): void {
  if (reply.sent || reply.raw.headersSent) return
  reply.send(tooBusy())
}

const { oauth, who, says } = retrievalErrors.gateway_busy

/** For every face alike: nothing was begun, and nobody has to do anything but wait. */
function tooBusy(): OAuthError {
  const [error, status] = oauth
  return new OAuthError(error, says, {
    status,
    headers: { 'retry-after': String(pause) },
    members: { error_code: 'gateway_busy', who_must_act: who, retry_after: pause },
  })
}
