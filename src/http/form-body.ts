import type { FastifyInstance, FastifyRequest } from 'fastify'
import { OAuthError } from '../errors.ts'
import { findFault, type Parameters, readParameters } from '../lib/parameters.ts'

/** Makes a scope read forms and nothing else (RFC 6749 section 3.2); any other content type is a 415. */
export function acceptFormsOnly(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => decode(body),
  )
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    throw new OAuthError('invalid_request', 'The body is not text in UTF-8')
  }
}

/** The parameters of a form body. Throws `invalid_request` where they are too many or too long. */
export function formOf(request: FastifyRequest): Parameters {
  return strictParameters(typeof request.body === 'string' ? request.body : '')
}

const longestQuery = 8_192

/** The form body as the query of an address, every parameter as it was sent. Throws where they are too many or too long. */
export function formAsQuery(request: FastifyRequest): string {
  const raw = typeof request.body === 'string' ? request.body : ''
  strictParameters(raw)
  const query = raw.toWellFormed().replace(/[^\x21-\x7E]|#/gu, encodeURIComponent)
  if (query.length <= longestQuery) return query
  throw new OAuthError('invalid_request', 'The parameters are too long', { status: 413 })
}

/** The parameters of the query string, as strict as those of a form. */
export function queryOf(request: FastifyRequest): Parameters {
  return strictParameters(rawQuery(request))
}

/** The query string as it was sent, without its `?`. */
export function rawQuery(request: FastifyRequest): string {
  const start = request.raw.url?.indexOf('?') ?? -1
  return start < 0 ? '' : (request.raw.url?.slice(start + 1) ?? '')
}

function strictParameters(raw: string): Parameters {
  const read = readParameters(raw)
  if (read.outcome === 'read') return read.parameters
  throw new OAuthError('invalid_request', 'There are too many parameters, or they are too long', {
    status: read.reason === 'too_long' ? 413 : 400,
  })
}

/** Throws `invalid_request` where one of these was sent twice or cannot be decoded: none may be guessed about. */
export function refuseFaults(parameters: Parameters, names: readonly string[]): void {
  const found = findFault(parameters, names)
  if (!found) return
  const fault = found.fault === 'repeated' ? 'was sent more than once' : 'cannot be decoded'
  throw new OAuthError('invalid_request', `The parameter ${found.name} ${fault}`)
}
