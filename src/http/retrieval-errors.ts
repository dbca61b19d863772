import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { type RetrievalRefusal, refusal, retrievalErrors } from '../grants/retrieval-error.ts'
import { NotAResource } from './asking-resource.ts'
import type { RetrievalOutcome } from './noted-retrieval.ts'
import { asOAuthError } from './oauth-errors.ts'

export function answer(reply: FastifyReply, body: Record<string, unknown>): FastifyReply {
  return reply.header('cache-control', 'no-store').send(body)
}

export function refuse(reply: FastifyReply, refused: RetrievalRefusal): FastifyReply {
  const { code, facts } = refused
  if (facts.retry_after !== undefined) reply.header('retry-after', String(facts.retry_after))
  if (code === 'invalid_resource_credential') reply.header('www-authenticate', 'Basic realm="coatcheck"')
  return reply
    .code(retrievalErrors[code].rest)
    .header('cache-control', 'no-store')
    .send(refusalAnswer(refused))
}

function refusalAnswer({ code, facts }: RetrievalRefusal) {
  const { oauth, who, says } = retrievalErrors[code]
  return { error: oauth[0], error_description: says, error_code: code, who_must_act: who, ...facts }
}

/** What an error is answered as, in one word. */
export function outcomeOfError(error: FastifyError | Error): RetrievalOutcome {
  const meant = asOAuthError(error)
  if (error instanceof NotAResource || meant?.code === 'invalid_client') return 'invalid_resource_credential'
  if (meant === undefined) return 'server_error'
  const byStatus = { 429: 'too_many_requests', 503: 'gateway_unavailable' } as const
  return byStatus[meant.status as keyof typeof byStatus] ?? 'invalid_request'
}

/** Every error where MCP servers call has the one shape of a refusal, except a fault of ours, which says nothing. */
export function answerRetrievalError(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const meant = asOAuthError(error)
  if (error instanceof NotAResource || meant?.code === 'invalid_client') {
    return refuse(reply, refusal('invalid_resource_credential'))
  }
  if (meant === undefined || meant.status >= 500) request.log.error({ err: error }, 'request failed')
  if (meant?.status === 429) {
    return refuse(reply, refusal('too_many_requests', { retry_after: Number(meant.headers['retry-after']) }))
  }
  if (meant?.status === 503) return refuse(reply, refusal('gateway_unavailable', { retry_after: 5 }))
  if (meant !== undefined) {
    const { status, headers, description } = meant
    const refused = { ...refusalAnswer(refusal('invalid_request')), error_description: description }
    return reply
      .code(status)
      .headers({ 'cache-control': 'no-store', ...headers })
      .send(refused)
  }
  return reply
    .code(500)
    .header('cache-control', 'no-store')
    .send({
      error: 'server_error',
      error_description: `Something failed here; the request id is ${request.id}`,
    })
}
