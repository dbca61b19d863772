import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { OAuthError, Problem } from '../errors.ts'
import { retrievalErrors } from '../grants/retrieval-error.ts'
import { SealError } from '../lib/seal.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'

/**
 * The error handler of every scope that speaks OAuth JSON (RFC 6749 section 5.2). What was meant is answered
 * as it was meant; anything else is a 500 that says nothing but the request's id.
 */
export function answerOAuthError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) {
  const meant = asOAuthError(error)
  logFailure(request, error, meant?.status)
  const { code, description, status, headers, members } = meant ?? unexpected(request)
  return reply
    .code(status)
    .headers({ 'cache-control': 'no-store', ...headers })
    .send({ error: code, error_description: description, ...members })
}

/** To be looked at, unless it was meant and is nobody's fault, or comes as often as somebody likes. */
export function logFailure(request: FastifyRequest, error: Error, status = 500): void {
  if (status >= 500 && !isForLoad(error)) request.log.error({ err: error }, 'request failed')
}

function isForLoad(error: Error): boolean {
  if (error instanceof Problem) return error.code === 'busy'
  return error instanceof OAuthError && error.members.error_code === 'gateway_busy'
}

/** What a failed request is in OAuth terms, where it is something we can name. */
export function asOAuthError(error: FastifyError | Error): OAuthError | undefined {
  if (error instanceof OAuthError) return error
  if (error instanceof StorageUnavailableError || error instanceof SealError) {
    return new OAuthError('temporarily_unavailable', retrievalErrors.gateway_unavailable.says, {
      status: 503,
      headers: { 'retry-after': '5' },
      members: { error_code: 'gateway_unavailable', who_must_act: 'admin', retry_after: 5 },
      cause: error,
    })
  }
  // Fastify's own refusals: a body too large, a content type nobody parses, broken JSON.
  const status = 'statusCode' in error ? error.statusCode : undefined
  if (status !== undefined && status >= 400 && status < 500) {
    return new OAuthError('invalid_request', refusals[status] ?? 'The request cannot be read', {
      status,
      cause: error,
    })
  }
  return undefined
}

const refusals: Record<number, string> = {
  413: 'The body is too large',
  415: 'The content type is not supported here',
}

function unexpected(request: FastifyRequest): OAuthError {
  return new OAuthError('server_error', `Something failed here; the request id is ${request.id}`, {
    status: 500,
  })
}
