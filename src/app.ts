import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { adminEndpoints } from './endpoints/admin/plugin.ts'
import { authorizationEndpoints } from './endpoints/authorization/plugin.ts'
import { healthEndpoints } from './endpoints/health.ts'
import { introspectionEndpoint } from './endpoints/introspection.ts'
import { metadataEndpoints } from './endpoints/metadata.ts'
import { registrationEndpoint } from './endpoints/registration.ts'
import { revocationEndpoint } from './endpoints/revocation.ts'
import { tokenEndpoint } from './endpoints/token/plugin.ts'
import { tokenSessionEndpoints } from './endpoints/token-sessions.ts'
import { OAuthError } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { answerOAuthError } from './http/oauth-errors.ts'

export type LogSettings = { level: string; stream?: { write(line: string): void } }

/** The whole HTTP surface of a gateway, in the order it is registered. */
export async function buildApp(gateway: Gateway, log: LogSettings): Promise<FastifyInstance> {
  const app = Fastify({
    // Codes, states and tickets travel in URLs, so nothing of a request is logged but its id, method and route.
    logger: { ...log, serializers: { req: () => ({}), res: () => ({}) } },
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: gateway.config.limits.body_bytes,
    // Slow bodies and idle sockets end; Fastify sets no limit by itself.
    requestTimeout: 15_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 72_000,
    trustProxy: gateway.config.trustedProxies.length > 0 ? gateway.config.trustedProxies : false,
    // A request id of a caller's would let them write into our log.
    requestIdHeader: false,
    genReqId: () => randomBytes(9).toString('base64url'),
    exposeHeadRoutes: false,
    // An address the router itself gives up on is answered as everything else is, and not repeated.
    frameworkErrors: (error, request, reply) => {
      reply.headers(everywhere(gateway))
      answerOAuthError(error, request, reply)
    },
    // As long as an address can be: whoever has the route says what is wrong with it.
    routerOptions: { maxParamLength: 16_384 },
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(everywhere(gateway))
    refuseTwoCredentials(request)
    refuseNul(request)
  })
  closeWhenStopping(app)
  app.addHook('onResponse', logAnswer)
  app.setErrorHandler(answerOAuthError)
  app.setNotFoundHandler(async (_request, reply) =>
    reply
      .code(404)
      .header('cache-control', 'no-store')
      .send({ error: 'not_found', error_description: 'There is nothing here' }),
  )
  await app.register(cookie)

  await app.register(metadataEndpoints, gateway)
  await app.register(
    async (scope) => {
      await scope.register(healthEndpoints, gateway)
      await scope.register(authorizationEndpoints, gateway)
      await scope.register(tokenEndpoint, gateway)
      await scope.register(registrationEndpoint, gateway)
      await scope.register(revocationEndpoint, gateway)
      await scope.register(introspectionEndpoint, gateway)
      await scope.register(tokenSessionEndpoints, gateway)
      await scope.register(adminEndpoints, gateway)
    },
    { prefix: new URL(gateway.config.issuer).pathname.replace(/\/$/, '') },
  )
  return app
}

/** A connection kept alive after its last answer would hold up a stop until it is idle for long enough. */
function closeWhenStopping(app: FastifyInstance): void {
  let isStopping = false
  app.addHook('preClose', async () => {
    isStopping = true
  })
  app.addHook('onSend', async (_request, reply) => {
    if (isStopping) reply.header('connection', 'close')
  })
}

function everywhere({ config }: Gateway): Record<string, string> {
  return {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    ...(config.issuer.startsWith('https:') ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  }
}

/** RFC 9110 section 11.6.2 allows one; which of two a proxy or a library reads differs. */
function refuseTwoCredentials({ raw }: FastifyRequest): void {
  const names = raw.rawHeaders.filter((_value, index) => index % 2 === 0)
  if (names.filter((name) => name.toLowerCase() === 'authorization').length > 1) {
    throw new OAuthError('invalid_request', 'There is more than one Authorization header')
  }
}

/** Nothing here has a name with a NUL in it, and PostgreSQL cannot be asked for one. */
function refuseNul({ raw }: FastifyRequest): void {
  const [path = ''] = (raw.url ?? '').split('?', 1)
  if (path.includes('%00')) throw new OAuthError('invalid_request', 'The address has a NUL in it')
}

async function logAnswer(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { method, routeOptions } = request
  request.log.info(
    {
      method,
      route: routeOptions.url,
      status: reply.statusCode,
      milliseconds: Math.round(reply.elapsedTime),
    },
    'answered',
  )
}
