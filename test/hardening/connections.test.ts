import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'

test('one connection more than there may be is closed, and there is room again when another one ends', async () => {
  const gateway = await startTestGateway({ chores: 'none', file: { limits: { connections: 100 } } })
  const port = Number(new URL(gateway.issuer).port)
  const sockets: Socket[] = []
  /** What a connection of its own is answered; nothing, where it is closed. */
  async function open(): Promise<string> {
    const socket = connect(port, 'localhost').on('error', () => {})
    sockets.push(socket)
    socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
    const first = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [''])])
    return String(first[0]).split('\r\n')[0] ?? ''
  }
  try {
    for (let each = 0; each < 100; each++) expect(await open()).toBe('HTTP/1.1 200 OK')
    expect(await open()).toBe('')
    sockets[0]?.destroy()
    // When the gateway hears of it is for the system to say.
    let answer = ''
    while (answer === '') answer = await open()
    expect(answer).toBe('HTTP/1.1 200 OK')
  } finally {
    for (const socket of sockets) socket.destroy()
    await gateway.stop()
  }
})
