import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** Requests as a load balancer passes them on, and what became of them. */
export type Front = {
  url: string
  counts: { passed: number; retried: number; failed: number }
  stop(): Promise<void>
}

/**
 * A load balancer without health checks: each request goes to any of the targets, over connections that are kept
 * alive, and once more to another one where there was no connection or it ended before a word was said.
 */
export async function openFront(choose: (but?: string) => string): Promise<Front> {
  const agent = new Agent({ keepAlive: true })
  const counts = { passed: 0, retried: 0, failed: 0 }

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await text(incoming)
    counts.passed++
    const first = choose()
    const answer = await ask(first, incoming, body).catch(async () => {
      counts.retried++
      return await ask(choose(first), incoming, body)
    })
    outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
    answer.pipe(outgoing)
    answer.once('error', () => outgoing.destroy())
  }

  const ask = (target: string, { method, url, headers }: IncomingMessage, body: string) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const { 'transfer-encoding': _, ...kept } = headers
      const passed = { ...kept, connection: 'keep-alive', 'content-length': String(Buffer.byteLength(body)) }
      request(new URL(url ?? '/', target), { agent, method, headers: passed })
        .once('response', resolve)
        .once('error', reject)
        .end(body)
    })

  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => {
      counts.failed++
      outgoing.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://localhost:${port}`,
    counts,
    async stop() {
      agent.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
