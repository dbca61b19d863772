import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { OAuthError, Problem, type ProblemCode, type ProblemField, problemCodes } from '../errors.ts'
import { pointerOf } from '../lib/json-pointer.ts'
import { type Fault, faultsOf } from '../lib/schema-faults.ts'
import { SealError } from '../lib/seal.ts'
import { unstorableText } from '../lib/storable-text.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import { logFailure } from './oauth-errors.ts'

/** Seconds after which whoever was told that something is away may try again. */
const pause = 5

/** What such an answer holds. */
export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string().describe('A sentence for people'),
    status: z.int(),
    code: z.enum(Object.keys(problemCodes) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string().optional(),
    errors: z.array(z.strictObject({ pointer: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457; the pointers of errors are of RFC 6901' })

/**
 * The error handler of every scope that answers problems (RFC 9457). What was meant is answered as it was meant;
 * anything else is a 500 that says nothing but the request's id.
 */
export function answerProblem(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) {
  const meant = asProblem(error)
  logFailure(request, error, meant?.status)
  const { status, code, title, detail, errors } = meant ?? unexpected(request)
  if (status === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', pause)
  return reply
    .code(status)
    .headers({
      'cache-control': 'no-store',
      ...(error instanceof OAuthError && error.headers),
    })
    .type('application/problem+json')
    .send({ type: `urn:coatcheck:problem:${code}`, title, status, code, detail, errors })
}

function asProblem(error: FastifyError | Error): Problem | undefined {
  if (error instanceof Problem) return error
  if (error instanceof StorageUnavailableError || error instanceof SealError) {
    const detail = 'The store does not answer, or the master keys do not fit it; nothing may have changed.'
    return new Problem(503, 'gateway_unavailable', 'The gateway is unavailable', { detail, cause: error })
  }
  if (error instanceof OAuthError && error.status === 503) return new Problem(503, 'busy', error.description)
  // What is refused of any message, whatever its address: two credentials, a NUL in it, another method.
  if (error instanceof OAuthError) return new Problem(error.status, 'invalid_request', error.description)
  // Fastify's own refusals: a body too large, a content type nobody parses, broken JSON.
  const status = 'statusCode' in error ? error.statusCode : undefined
  if (status !== undefined && status >= 400 && status < 500) {
    return new Problem(status, 'invalid_request', refusals[status] ?? 'The request cannot be read')
  }
  return undefined
}

const refusals: Record<number, string> = {
  413: 'The body is too large',
  415: 'The content type must be application/json',
}

function unexpected(request: FastifyRequest): Problem {
  return new Problem(500, 'internal_error', 'Something failed here', {
    detail: `The request id is ${request.id}.`,
  })
}

/** What came from outside, in the shape the schema gives it. Throws a 400 that names every mistake, and no value. */
export function accept<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const unstorable = unstorableText(input)
  if (unstorable.length > 0) throw invalid(unstorable.map(fieldOf))
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  throw invalid(faultsOf(parsed.error).map(fieldOf))
}

export function invalid(errors: readonly ProblemField[]): Problem {
  return new Problem(400, 'invalid_request', 'The request is not acceptable', { errors })
}

const fieldOf = ({ path, message }: Fault): ProblemField => ({ pointer: pointerOf(path), message })
