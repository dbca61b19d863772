import type { FastifyInstance, HTTPMethods } from 'fastify'
import { OAuthError } from '../errors.ts'

type Plugin<Options> = (scope: FastifyInstance, options: Options) => Promise<void>

const methods: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']

/**
 * The plugin, with every address of its own answering 405 to all other methods (RFC 9110 section 15.5.6): in the
 * form its errors have, and behind its authentication.
 */
export function refusingOtherMethods<Options>(plugin: Plugin<Options>): Plugin<Options> {
  return async (scope, options) => {
    const served = new Map<string, HTTPMethods[]>()
    scope.addHook('onRoute', ({ url, method }) => {
      // What a part of an address is called is its route's own affair.
      const address = url.replaceAll(/:\w+/g, ':part')
      served.set(address, [...(served.get(address) ?? []), ...[method].flat()])
    })
    await plugin(scope, options)
    for (const [address, known] of [...served]) {
      scope.route({
        method: methods.filter((method) => !known.includes(method)),
        url: address.slice(scope.prefix.length),
        handler: async () => {
          throw new OAuthError('invalid_request', 'This method is not supported here', {
            status: 405,
            headers: { allow: known.join(', ') },
          })
        },
      })
    }
  }
}
