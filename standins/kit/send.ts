import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { Reply } from './exchange.ts'
import type { Delivery } from './faults.ts'

/** Sends an answer whole. */
export function send(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, { 'content-length': Buffer.byteLength(reply.body), ...reply.headers })
  response.end(reply.body)
}

function sendTruncated(response: ServerResponse, reply: Reply, bytes: number): void {
  response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) })
  response.write(Buffer.from(reply.body).subarray(0, bytes), () => response.destroy())
}

function* blanks(bytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024, ' ')
  for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk
}

async function* drops(body: Buffer, pace: { bytes: number; milliseconds: number }): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += pace.bytes) {
    yield body.subarray(at, at + pace.bytes)
    await wait(pace.milliseconds)
  }
}

/** Ends quietly when the other side has had enough. */
async function sendPieces(
  response: ServerResponse,
  reply: Reply,
  pieces: Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<void> {
  response.writeHead(reply.status, reply.headers)
  await pipeline(pieces, response).catch(() => undefined)
}

/** Sends an answer the way a scripted fault wants it sent. */
export async function sendSpoiled(delivery: Delivery, response: ServerResponse, reply: Reply): Promise<void> {
  switch (delivery.kind) {
    case 'drop':
      response.destroy()
      return
    case 'truncate':
      return sendTruncated(response, reply, delivery.bytes)
    case 'huge':
      return sendPieces(response, reply, blanks(delivery.bytes))
    case 'drip':
      return sendPieces(response, reply, drops(Buffer.from(reply.body), delivery))
  }
}
