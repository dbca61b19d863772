import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { OAuthError } from '../errors.ts'
import { type RetrievalRefusal, refusal, retrievalErrors } from '../grants/retrieval-error.ts'
import { NotAResource } from './asking-resource.ts'
import type { RetrievalOutcome } from './noted-retrieval.ts'
import { asOAuthError, logFailure } from './oauth-errors.ts'

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
  return refusalBehind(meant)?.code ?? 'invalid_request'
}

/** What an error that names none of the table is there. */
function refusalBehind({ status, headers, members }: OAuthError): RetrievalRefusal | undefined {
  const facts = { retry_after: Number(headers['retry-after']) }
  if (status === 429) return refusal('too_many_requests', facts)
  if (status !== 503) return undefined
  return refusal(members.error_code === 'gateway_busy' ? 'gateway_busy' : 'gateway_unavailable', facts)
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
  logFailure(request, error, meant?.status)
  const refused = meant && refusalBehind(meant)
  if (refused) return refuse(reply, refused)
  if (meant !== undefined) {
    const { status, headers, description } = meant
    return reply
      .code(status)
      .headers({ 'cache-control': 'no-store', ...headers })
      .send({ ...refusalAnswer(refusal('invalid_request')), error_description: description })
  }
  return reply
    .code(500)
    .header('cache-control', 'no-store')
    .send({
      error: 'server_error',
      error_description: `Something failed here; the request id is ${request.id}`,
    })
}
