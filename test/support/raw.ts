import { connect } from 'node:net'

export type RawAnswer = {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  body: string
}

/** Writes bytes to a server as they are, and answers everything that came back before the server hung up. */
export async function sendBytes(origin: string, bytes: string | Uint8Array): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(origin)
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    // A server that has heard enough may hang up while we still write.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!['EPIPE', 'ECONNRESET'].includes(error.code ?? '')) reject(error)
    })
    socket.on('close', () => resolve(answersIn(Buffer.concat(chunks))))
    socket.write(bytes)
  })
}

export type RawRequest = {
  method?: string
  path: string
  /** One line each, as they stand. */
  headers?: readonly string[]
  body?: string | Uint8Array
}

/** A request of one connection; nothing in it is checked or corrected. */
export function bytesOf({ method = 'GET', path, headers = [], body = '' }: RawRequest): Buffer {
  const hasHost = headers.some((line) => /^host:/i.test(line))
  const isFramed = headers.some((line) => /^(content-length|transfer-encoding):/i.test(line))
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...(hasHost ? [] : ['host: localhost']),
    'connection: close',
    ...(isFramed || body.length === 0 ? [] : [`content-length: ${Buffer.byteLength(body)}`]),
    ...headers,
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)])
}

/** The one answer to a request that is sent as it stands. */
export async function sendRaw(origin: string, request: RawRequest): Promise<RawAnswer> {
  const answers = await sendBytes(origin, bytesOf(request))
  const answer = answers.find(({ status }) => status >= 200)
  if (!answer) throw new Error('the server hung up without an answer')
  return answer
}

function answersIn(bytes: Buffer): RawAnswer[] {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0 || bytes.toString('latin1', 0, 5) !== 'HTTP/') return []
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const rest = bytes.subarray(end + 4)
  const length = Math.min(Number(headers['content-length'] ?? 0), rest.length)
  const answer = { status: Number(first.split(' ')[1]), headers, body: rest.toString('utf8', 0, length) }
  return [answer, ...answersIn(rest.subarray(length))]
}
