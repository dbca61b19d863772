import { connect } from 'node:net'

export type Answer = { status: number; header: string; body: string }

export type Connection = {
  /** Writes one request and waits for its whole answer. One at a time. */
  send(request: string): Promise<Answer>
  close(): void
}

/**
 * A keep-alive connection that costs little more than its system calls, so that one core can keep a server on another
 * busy: a general client would take longer to ask than some servers take to answer.
 */
export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let received = ''
  let waiting: PromiseWithResolvers<Answer> | undefined
  const fail = (error: Error) => waiting?.reject(error)
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    received += chunk
    const answer = readAnswer(received)
    if (!answer) return
    received = ''
    waiting?.resolve(answer)
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return {
    send(request) {
      waiting = Promise.withResolvers<Answer>()
      socket.write(request)
      return waiting.promise
    },
    close: () => socket.destroy(),
  }
}

/** An answer of HTTP/1.1 once all of it is there. Bodies are ASCII here, so a character is a byte. */
function readAnswer(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const header = text.slice(0, end)
  const body = bodyOf(header, text.slice(end + 4))
  return body === undefined ? undefined : { status: Number(header.slice(9, 12)), header, body }
}

function bodyOf(header: string, rest: string): string | undefined {
  const length = /\r\ncontent-length: *(\d+)/i.exec(header)?.[1]
  if (length !== undefined) return rest.length >= Number(length) ? rest : undefined
  if (!/\r\ntransfer-encoding: *chunked/i.test(header)) return rest
  return rest.endsWith('0\r\n\r\n') ? unchunked(rest) : undefined
}

function unchunked(text: string): string {
  let body = ''
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (!size) return body
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
  }
}
