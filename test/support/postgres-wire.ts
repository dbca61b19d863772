/** One message of PostgreSQL's protocol 3: its type, and all of it as it goes over the wire. */
export type Message = { type: string; whole: Buffer; body: Buffer }

/** Cuts a stream into messages; the first thing a client says has no type, and is called by none. */
export function cutting(expectStart: 'start' | 'message', take: (message: Message) => void) {
  let rest = Buffer.alloc(0)
  let isStart = expectStart === 'start'
  return {
    push(chunk: Buffer) {
      rest = Buffer.concat([rest, chunk])
      for (;;) {
        const head = isStart ? 0 : 1
        if (rest.length < head + 4) return
        const end = head + rest.readInt32BE(head)
        if (rest.length < end) return
        const whole = rest.subarray(0, end)
        rest = rest.subarray(end)
        const type = isStart ? '' : String.fromCharCode(whole[0] ?? 0)
        // After a request for encryption that is refused, a client begins anew.
        if (isStart) isStart = whole.readInt32BE(4) === sslRequest
        take({ type, whole, body: whole.subarray(head + 4) })
      }
    },
  }
}

export const sslRequest = 80_877_103
export const cancelRequest = 80_877_102

/** The texts of a body, each of which ends in a NUL. */
export const textsOf = (body: Buffer): string[] => body.toString('utf8').split('\0')

export function message(type: string, ...parts: (string | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)),
  )
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type), length, body])
}

export function startOf(parameters: Record<string, string>): Buffer {
  const version = Buffer.from([0, 3, 0, 0])
  return message('', version, ...Object.entries(parameters).flat(), Buffer.from([0]))
}

export const refusal = (severity: string, code: string, says: string): Buffer =>
  message('E', `S${severity}`, `V${severity}`, `C${code}`, `M${says}`, Buffer.from([0]))

/** What a server says to whoever is let in. */
export const welcome = (): Buffer =>
  Buffer.concat([
    message('R', Buffer.alloc(4)),
    message('S', 'client_encoding', 'UTF8'),
    message('S', 'standard_conforming_strings', 'on'),
    message('K', Buffer.alloc(8)),
    message('Z', Buffer.from('I')),
  ])
