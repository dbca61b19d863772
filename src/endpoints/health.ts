import type { FastifyInstance } from 'fastify'
import type { Gateway } from '../gateway.ts'
import { keepAnswer } from '../lib/kept-answer.ts'

/**
 * `/healthz` says that the process answers, `/readyz` that its store takes writes and that it does not stop. Neither tells
 * anything else.
 */
export async function healthEndpoints(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  // A look is a write, and anybody may ask: so there is one a second, for all who do.
  const takesWrites = keepAnswer(() => {
    const noteNot = (error: unknown) => {
      scope.log.warn({ err: error }, 'not ready')
      return false
    }
    return gateway.ready().then(() => true, noteNot)
  }, gateway.clock)
  let isStopping = false
  scope.addHook('preClose', async () => {
    isStopping = true
  })
  scope.get('/healthz', headToo, async (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ status: 'ok' }),
  )
  scope.get('/readyz', headToo, async (_request, reply) => {
    const isReady = (await takesWrites()) && !isStopping
    return reply
      .code(isReady ? 200 : 503)
      .headers({ 'cache-control': 'no-store', ...(!isReady && { 'retry-after': '5' }) })
      .send({ status: isReady ? 'ok' : 'unavailable' })
  })
}

/** Those who look after servers often ask for no more than the status. */
const headToo = { exposeHeadRoute: true }
