import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { accountEndpoints } from './endpoints/account/plugin.ts'
import { adminEndpoints } from './endpoints/admin/plugin.ts'
import { authorizationEndpoints } from './endpoints/authorization/plugin.ts'
import { decisionEndpoints } from './endpoints/decisions.ts'
import { healthEndpoints } from './endpoints/health.ts'
import { introspectionEndpoint } from './endpoints/introspection.ts'
import { metadataEndpoints } from './endpoints/metadata.ts'
import { registrationEndpoint } from './endpoints/registration.ts'
import { revocationEndpoint } from './endpoints/revocation.ts'
import { tokenEndpoint } from './endpoints/token/plugin.ts'
import { tokenSessionEndpoints } from './endpoints/token-sessions.ts'
import { toolEndpoints } from './endpoints/tools.ts'
import type { Gateway } from './gateway.ts'
import { answerBrokenMessage } from './http/broken-message.ts'
import { guardLoad } from './http/load.ts'
import { refuseUnclear } from './http/message.ts'
import { refusingOtherMethods } from './http/methods.ts'
import { answerOAuthError } from './http/oauth-errors.ts'
import { answerWithPage } from './http/page-errors.ts'
import { PageRefusal } from './http/page-refusal.ts'
import { answerProblem } from './http/problems.ts'
import { answerRetrievalError } from './http/retrieval-errors.ts'

export type LogSettings = { level: string; stream?: { write(line: string): void } }

/** Milliseconds in which headers, and the whole of a request, have to be here, and between two looks whether they are. */
export type Patience = { headersTimeout: number; requestTimeout: number; connectionsCheckingInterval: number }

/**
 * Whoever comes slowly is ended within 15 seconds. Node takes the longer of the two for requests whichever it is: with
 * its default for headers that is a minute.
 */
const patience: Patience = {
  headersTimeout: 10_000,
  requestTimeout: 13_000,
  connectionsCheckingInterval: 2_000,
}

/** The whole HTTP surface of a gateway, in the order it is registered. */
export async function buildApp(
  gateway: Gateway,
  log: LogSettings,
  slowest: Patience = patience,
): Promise<FastifyInstance> {
  const everywhere = headersOfAll(gateway)
  const routeOf = templatesBelow(new URL(gateway.config.issuer).pathname.replace(/\/$/, ''))
  const app = Fastify({
    // Codes, states and tickets travel in URLs, so nothing of a request is logged but its id, method and route.
    logger: { ...log, serializers: { req: () => ({}), res: () => ({}) } },
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: gateway.config.limits.body_bytes,
    // Slow messages and idle sockets end; Fastify sets no limit by itself.
    http: { ...slowest, maxHeaderSize: 16_384 },
    requestTimeout: slowest.requestTimeout,
    connectionTimeout: 60_000,
    keepAliveTimeout: 72_000,
    // What arrives while it stops is answered as what is under way is: nobody else has it, and a stop is no fault of theirs.
    return503OnClosing: false,
    // So that those behind a balancer are spread anew from time to time.
    maxRequestsPerSocket: 10_000,
    trustProxy: gateway.config.trustedProxies.length > 0 ? gateway.config.trustedProxies : false,
    // A request id of a caller's would let them write into our log.
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    exposeHeadRoutes: false,
    // An address the router itself gives up on is answered as everything else is, and not repeated.
    frameworkErrors: (error, request, reply) => {
      reply.headers(everywhere)
      answerUnrouted(gateway, error, request, reply)
    },
    clientErrorHandler: (error, socket) => answerBrokenMessage(error, socket, everywhere),
    // As long as an address can be: whoever has the route says what is wrong with it.
    routerOptions: { maxParamLength: 16_384 },
  })
  // Not dropped, one more is handed to and fro for ever by workers that are all full (node:cluster, 24).
  Object.assign(app.server, { maxConnections: gateway.config.limits.connections, dropMaxConnection: true })
  // Node would leave out the headers beyond so many, and a proxy would not: they are counted and refused instead.
  app.server.maxHeadersCount = 0
  const load = guardLoad(gateway, routeOf)
  // Asynchronous: a refusal waits until all that came with the message was looked at, where another may begin.
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(everywhere)
    load.refuseIfTooMuch(request)
    noteForwarding(gateway, request)
    refuseUnclear(request)
  })
  app.addHook('preValidation', load.begin)
  app.addHook('onSend', load.end)
  closeWhenStopping(app)
  const countAnswer = countingAnswers(gateway, routeOf)
  app.addHook('onResponse', (request, reply, done) => {
    logAnswer(request, reply)
    countAnswer(request, reply)
    done()
  })
  app.setErrorHandler((error: Error, request, reply) => answerUnrouted(gateway, error, request, reply))
  app.setNotFoundHandler(async (request, reply) => {
    if (faceOf(gateway, request) === 'pages') throw new PageRefusal(404, { kind: 'not found' })
    return reply
      .code(404)
      .header('cache-control', 'no-store')
      .send({ error: 'not_found', error_description: 'There is nothing here' })
  })

  await app.register(refusingOtherMethods(metadataEndpoints), gateway)
  await app.register(
    async (scope) => {
      for (const plugin of plugins) await scope.register(refusingOtherMethods(plugin), gateway)
      await scope.register(adminEndpoints, gateway)
    },
    { prefix: new URL(gateway.config.issuer).pathname.replace(/\/$/, '') },
  )
  return app
}

const plugins = [
  healthEndpoints,
  authorizationEndpoints,
  accountEndpoints,
  tokenEndpoint,
  registrationEndpoint,
  revocationEndpoint,
  introspectionEndpoint,
  tokenSessionEndpoints,
  decisionEndpoints,
  toolEndpoints,
]

/** What no route answers for is answered in the form of the place it was meant for. */
function answerUnrouted(gateway: Gateway, error: Error, request: FastifyRequest, reply: FastifyReply) {
  switch (faceOf(gateway, request)) {
    case 'pages':
      return answerWithPage(gateway, error, request, reply)
    case 'admin':
      return answerProblem(error, request, reply)
    case 'retrieval':
      return answerRetrievalError(error, request, reply)
    case 'oauth':
      return answerOAuthError(error, request, reply)
  }
}

const faces = [
  ['pages', /^\/(?:oauth\/(?:authorize|interactions|callback)|connect|account)(?![^/?])/],
  ['admin', /^\/admin\/v1(?![^/?])/],
  ['retrieval', /^\/v1\/(?:token-sessions|decisions|tools)(?![^/?])/],
] as const

function faceOf({ config }: Gateway, { raw }: FastifyRequest) {
  const path = raw.url?.slice(new URL(config.issuer).pathname.replace(/\/$/, '').length) ?? ''
  return faces.find(([, shape]) => shape.test(path))?.[0] ?? 'oauth'
}

/** With what Fastify makes of the addresses of trusted proxies: where they are believed, the address is another one. */
function noteForwarding({ forwardings }: Gateway, request: FastifyRequest): void {
  const peer = request.socket.remoteAddress ?? ''
  const isForwarded = request.headers['x-forwarded-for'] !== undefined
  forwardings.note(!isForwarded ? 'direct' : request.ip === peer ? 'disbelieved' : 'believed', peer)
}

/** A connection kept alive after its last answer would hold up a stop until it is idle for long enough. */
function closeWhenStopping(app: FastifyInstance): void {
  let isStopping = false
  app.addHook('preClose', async () => {
    isStopping = true
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (isStopping) reply.header('connection', 'close')
    done()
  })
}

function headersOfAll({ config }: Gateway): Record<string, string> {
  return {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    ...(config.issuer.startsWith('https:') ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  }
}

/** By the template of the route: what a stranger writes is none. */
function countingAnswers({ meter }: Gateway, routeOf: ReturnType<typeof templatesBelow>) {
  return (request: FastifyRequest, { statusCode }: FastifyReply) => {
    const status = statusClasses[Math.floor(statusCode / 100) - 1] ?? '5xx'
    meter.count('httpRequests', { route: routeOf(request) ?? 'none', status })
  }
}

/** The template of the route, without the path of the issuer. */
function templatesBelow(prefix: string) {
  return ({ routeOptions: { url } }: FastifyRequest): string | undefined =>
    url?.startsWith(`${prefix}/`) ? url.slice(prefix.length) : url
}

const statusClasses = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

function logAnswer(request: FastifyRequest, reply: FastifyReply): void {
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
