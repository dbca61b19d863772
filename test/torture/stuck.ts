import { connect, type Socket } from 'node:net'

/** Ways in which a client can hold on to a connection without ever being done. */
export const kinds = {
  headers: (host: string) => `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `,
  body: (host: string) =>
    `POST /oauth/token HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\ngrant_type=`,
  // Asks on and on and never takes an answer.
  reading: (host: string) =>
    `GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(20),
} as const

export type Stuck = {
  kind: keyof typeof kinds
  socket: Socket
  /** Milliseconds until the gateway ended it. */
  endedAfter: number | undefined
}

/** Opens a connection that gets stuck; where more is awaited, it sends a byte each second to seem alive. */
export async function openStuck(url: string, kind: Stuck['kind']): Promise<Stuck> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  const began = performance.now()
  const stuck: Stuck = { kind, socket, endedAfter: undefined }
  const end = () => {
    stuck.endedAfter ??= performance.now() - began
    socket.destroy()
  }
  // What is not read keeps an end from being seen: a gateway that gives up on such a reader resets the connection.
  if (kind === 'reading') socket.pause()
  else socket.resume()
  socket.on('error', end)
  socket.on('end', end)
  socket.on('close', end)
  await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve))
  socket.write(kinds[kind](new URL(url).host))
  const drip = setInterval(() => (socket.writable ? void socket.write('a') : clearInterval(drip)), 1_000)
  socket.once('close', () => clearInterval(drip))
  if (kind === 'reading') clearInterval(drip)
  return stuck
}
