import { createServer, type Socket } from 'node:net'
import { cutting, message, welcome } from './postgres-wire.ts'

export type StandIn = {
  port: number
  /** How many connections it was asked for. */
  connected(): number
  /** How many statements it was told. */
  asked(): number
  /** From now on it hears, and answers nothing until it speaks. */
  fallSilent(): void
  /** Answers what it heard meanwhile, and goes on. */
  speak(): void
  /** Ends the connections there are, and goes on to take others. */
  hangUp(): void
  stop(): Promise<void>
}

/** A server that lets everybody in, and answers whatever it is asked with whether it is a standby. */
export async function startStandIn(role: 'primary' | 'standby'): Promise<StandIn> {
  const sockets: Socket[] = []
  let asked = 0
  let isSilent = false
  const unsaid: (() => void)[] = []
  const say = (socket: Socket, answer: Buffer) =>
    void (isSilent ? unsaid.push(() => socket.write(answer)) : socket.write(answer))
  const listener = createServer((socket) => {
    sockets.push(socket)
    const messages = cutting('start', ({ type }) => {
      if (type === 'Q') asked++
      if (type === '') say(socket, welcome())
      if (type === 'Q') say(socket, rowOf('standby', role === 'standby'))
    })
    socket.on('data', (chunk) => messages.push(chunk))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('it has no port')
  const hangUp = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: address.port,
    connected: () => sockets.length,
    asked: () => asked,
    fallSilent() {
      isSilent = true
    },
    speak() {
      isSilent = false
      for (const sayIt of unsaid.splice(0)) sayIt()
    },
    hangUp,
    async stop() {
      hangUp()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

const bool = 16

/** The whole answer to a simple query, of one row with one column. */
function rowOf(column: string, value: boolean): Buffer {
  const type = Buffer.alloc(18)
  type.writeInt32BE(bool, 6)
  return Buffer.concat([
    message('T', Buffer.from([0, 1]), column, type),
    message('D', Buffer.from([0, 1, 0, 0, 0, 1]), Buffer.from(value ? 't' : 'f')),
    message('C', 'SELECT 1'),
    message('Z', Buffer.from('I')),
  ])
}
