import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'

export type Front = { url: string; stop(): void }

/** A proxy that keeps no connection: whoever shares the port behind it answers in turn. */
export async function startFront(port: number): Promise<Front> {
  const server = createServer((incoming, response) => {
    const { method, url } = incoming
    const headers = { ...incoming.headers, connection: 'close' }
    const onward = request(
      { port, host: '127.0.0.1', method, path: url, headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        pipeline(answer, response, (error) => error && incoming.socket.destroy())
      },
    )
    // What the other end broke off is broken off here, too.
    onward.on('error', () => incoming.socket.destroy())
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
