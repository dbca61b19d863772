import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../lib/clock.ts'
import { keepAnswer } from '../lib/kept-answer.ts'
import { sha256 } from '../lib/secret.ts'

/** A document that anybody may read, as it is sent. */
type Published = { bytes: Buffer; headers: Record<string, string>; etag: string }

type Publishing = { type: string; maxAge: number; make: () => Promise<object> }

/**
 * Sends a document as the bytes that were made of it last. It is made anew once something was committed here, and every
 * second, since other processes change what it says as well.
 */
export function createPublisher(
  { clock, commits }: { clock: Clock; commits(): number },
  { type, maxAge, make }: Publishing,
): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  const headers = { 'content-type': type, 'cache-control': `public, max-age=${maxAge}` }

  async function publish(): Promise<Published> {
    const bytes = Buffer.from(JSON.stringify(await make()))
    const etag = `"${sha256(bytes)}"`
    return { bytes, headers: { ...headers, etag }, etag }
  }

  const current = keepAnswer(publish, () => `${clock()} ${commits()}`)

  return async (request, reply) => {
    const { bytes, headers, etag } = await current()
    reply.headers(headers)
    return isKnown(request, etag) ? reply.code(304).send() : reply.send(bytes)
  }
}

/** Whether the reader has this very document (RFC 9110 section 13.1.2). */
function isKnown({ headers }: FastifyRequest, etag: string): boolean {
  const known = headers['if-none-match']
  if (known === undefined) return false
  return known.split(',').some((each) => ['*', etag, `W/${etag}`].includes(each.trim()))
}
