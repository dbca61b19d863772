import type { ServerResponse } from 'node:http'
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

async function sendHuge(response: ServerResponse, reply: Reply, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024, ' ')
  response.writeHead(reply.status, reply.headers)
  for (let sent = 0; sent < bytes && !response.destroyed; sent += chunk.length) {
    if (response.write(chunk)) continue
    await Promise.race([
      new Promise((resolve) => response.once('drain', resolve)),
      new Promise((resolve) => response.once('close', resolve)),
    ])
  }
  response.end()
}

async function sendDripping(
  response: ServerResponse,
  reply: Reply,
  pace: { bytes: number; milliseconds: number },
): Promise<void> {
  const body = Buffer.from(reply.body)
  response.writeHead(reply.status, reply.headers)
  for (let at = 0; at < body.length && !response.destroyed; at += pace.bytes) {
    response.write(body.subarray(at, at + pace.bytes))
    await wait(pace.milliseconds)
  }
  response.end()
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
      return sendHuge(response, reply, delivery.bytes)
    case 'drip':
      return sendDripping(response, reply, delivery)
  }
}
