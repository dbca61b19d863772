import type { FastifyReply } from 'fastify'
import type { Gateway } from '../gateway.ts'
import type { RetrievalErrorCode } from '../grants/retrieval-error.ts'

export type RetrievalFace = 'rest' | 'exchange'

/** `server_error` is a fault of ours, which has no code among the refusals. */
export type RetrievalOutcome = 'released' | RetrievalErrorCode | 'server_error'

/** Counts a request for an upstream token as it is about to be answered. */
export function noteRetrieval(
  { meter }: Pick<Gateway, 'meter'>,
  reply: FastifyReply,
  face: RetrievalFace,
  outcome: RetrievalOutcome,
): void {
  meter.count('tokenRetrievals', { face, outcome })
  meter.time('tokenRetrievalDuration', { face }, reply.elapsedTime / 1000)
}
