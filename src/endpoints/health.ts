import type { FastifyInstance } from 'fastify'
import type { Gateway } from '../gateway.ts'

/** `/healthz` says that the process answers, `/readyz` that its store and keys do. Neither tells anything else. */
export async function healthEndpoints(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  scope.get('/healthz', headToo, async (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ status: 'ok' }),
  )
  scope.get('/readyz', headToo, async (request, reply) => {
    const isReady = await gateway.ready().then(
      () => true,
      (error: unknown) => {
        request.log.warn({ err: error }, 'not ready')
        return false
      },
    )
    return reply
      .code(isReady ? 200 : 503)
      .headers({ 'cache-control': 'no-store', ...(!isReady && { 'retry-after': '5' }) })
      .send({ status: isReady ? 'ok' : 'unavailable' })
  })
}

/** Those who look after servers often ask for no more than the status. */
const headToo = { exposeHeadRoute: true }
