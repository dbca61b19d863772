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
  '/.well-known/oauth-authorization-server': 'always',
  '/.well-known/openid-configuration': 'always',
  '/.well-known/jwks.json': 'always',
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

/** What is nowhere in the list, if it is a route at all. */
export function precedenceOf(template: string | undefined): Precedence {
  if (template === undefined) return 'new'
  const route = template.replaceAll(/:\w+/g, ':part')
  return precedences[route] ?? (route.startsWith('/admin/v1') ? 'needed' : 'ordinary')
}

type Route = (request: FastifyRequest) => string | undefined

/**
 * The hooks that refuse what is too much before anything of it is read, and give up what takes too long. A request
 * counts from when it has come in whole: those that come slowly keep nobody out.
 */
export function guardLoad({ load, meter }: Pick<Gateway, 'load' | 'meter'>, routeOf: Route) {
  const known = new Map<string | undefined, Precedence>()
  function refuseIfTooMuch(request: FastifyRequest): void {
    const { url } = request.routeOptions
    const precedence = known.get(url) ?? precedenceOf(routeOf(request))
    known.set(url, precedence)
    if (precedence === 'always' || !load.refuses(precedence)) return
    meter.count('loadRefusals', { precedence })
    throw tooBusy()
  }
  function begin(_request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    const underWay: UnderWay = { since: performance.now(), giveUp: () => giveUp(reply) }
    load.begin(underWay)
    reply.raw.once('close', () => load.end(underWay))
    done()
  }
  return { refuseIfTooMuch, begin }
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
