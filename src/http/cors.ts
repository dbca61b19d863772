import type { FastifyInstance } from 'fastify'

const headers = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'www-authenticate, retry-after',
}

/** Lets any origin call a scope's routes, without credentials (RFC 9700 section 2.6); preflights are answered. */
export function allowAnyOrigin(
  scope: FastifyInstance,
  paths: readonly string[],
  methods = 'GET, POST, OPTIONS',
): void {
  // Also of what is refused before it comes here.
  scope.addHook('onSend', (_request, reply, payload, done) => {
    reply.headers(headers)
    done(null, payload)
  })
  for (const path of paths) {
    scope.options(path, async (_request, reply) =>
      reply
        .code(204)
        .headers({
          'access-control-allow-methods': methods,
          'access-control-allow-headers': 'authorization, content-type, mcp-protocol-version',
          'access-control-max-age': '86400',
        })
        .send(),
    )
  }
}
