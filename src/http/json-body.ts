import type { FastifyInstance, FastifyRequest } from 'fastify'
import { OAuthError } from '../errors.ts'
import { readJson } from '../lib/json.ts'

/**
 * Makes a scope read JSON and nothing else; any other content type is a 415. A page of another origin can send forms
 * and text without asking first, but no JSON.
 */
export function acceptJsonOnly(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => {
      // Many clients name the content type of a body they do not send.
      if (body.length === 0) return undefined
      const read = readJson(body)
      if (read.outcome === 'refused') throw new OAuthError('invalid_request', read.says)
      return read.value
    },
  )
}
