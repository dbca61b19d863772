import type { Socket } from 'node:net'

/** Answers what is no HTTP and so becomes no request, and ends the connection: who knows where the next one begins. */
export function answerBrokenMessage(
  error: NodeJS.ErrnoException,
  socket: Socket,
  everywhere: Readonly<Record<string, string>>,
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const [status, says] = answers[error.code ?? ''] ?? ['400 Bad Request', 'The request is not HTTP']
  const body = JSON.stringify({ error: 'invalid_request', error_description: says })
  const headers = {
    ...everywhere,
    'cache-control': 'no-store',
    connection: 'close',
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  if (socket.writable) socket.write(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`)
  socket.destroySoon()
}

const answers: Record<string, readonly [status: string, says: string]> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not come in time'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Content Too Large', 'The body is too large'],
}
