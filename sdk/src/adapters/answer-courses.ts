import { concat, eventStreamEditor, type Piece } from '../event-stream.ts'
import type { AnswerEdit } from '../tool-list.ts'

export type HeaderValue = string | number | readonly string[]
export type Callback = (error?: Error | null) => void

/** As much of Node's `ServerResponse` as editing an answer takes. */
export type NodeAnswer = {
  statusCode: number
  statusMessage?: string
  getHeader(name: string): HeaderValue | undefined
  setHeader(name: string, value: HeaderValue): unknown
  removeHeader(name: string): void
  // biome-ignore lint/suspicious/noExplicitAny: they are overloaded, and replaced here
  writeHead: (...head: any[]) => any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  write: (...written: any[]) => boolean
  // biome-ignore lint/suspicious/noExplicitAny: as above
  end: (...written: any[]) => any
  flushHeaders?: () => void
  destroy(error?: Error): unknown
}

export type Written = { bytes: Uint8Array | undefined; callback: Callback | undefined }

/** How what is written to one answer goes on. */
export type Course = {
  readonly holdsHead: boolean
  write(written: Written): boolean
  end(written: Written): void
}

export type Native = Pick<NodeAnswer, 'writeHead' | 'write' | 'end'>

/** What is not looked into. */
export const plainCourse = (native: Native): Course => ({
  holdsHead: false,
  write: ({ bytes, callback }) => native.write(bytes ?? '', callback),
  end: ended(native),
})

const ended =
  (native: Native) =>
  ({ bytes, callback }: Written) =>
    bytes ? native.end(bytes, callback) : native.end(callback)

/** JSON is one text: it goes when it is whole. */
export function jsonCourse(
  answer: NodeAnswer,
  native: Native,
  edit: AnswerEdit,
  release: () => void,
): Course {
  const parts: Uint8Array[] = []
  const add = ({ bytes }: Written) => bytes && parts.push(bytes)
  return {
    holdsHead: true,
    write(written) {
      add(written)
      if (written.callback) queueMicrotask(written.callback)
      return true
    },
    end(written) {
      add(written)
      const whole = concat(parts)
      const before = new TextDecoder().decode(whole)
      const send = (after: string) => {
        release()
        if (after === before) return ended(native)({ ...written, bytes: whole })
        const bytes = new TextEncoder().encode(after)
        answer.setHeader('content-length', String(bytes.length))
        native.end(bytes, written.callback)
      }
      settle(edit(before), send, answer)
    },
  }
}

/** Events go on as they come; only a list of tools waits for who may see it, and what comes after for the list. */
export function eventCourse(
  answer: NodeAnswer,
  native: Native,
  edit: AnswerEdit,
  release: () => void,
): Course {
  const editor = eventStreamEditor(edit)
  let waiting: Promise<void> | undefined

  async function sendLater(pieces: readonly Piece[], before: Promise<void> | undefined): Promise<void> {
    await before
    for (const piece of pieces) native.write(await piece)
  }

  function send(pieces: readonly Piece[], last?: () => void): boolean {
    let isReady = true
    if (!waiting && pieces.every((piece) => piece instanceof Uint8Array)) {
      for (const piece of pieces) isReady = native.write(piece)
      last?.()
      return isReady
    }
    const mine: Promise<void> = sendLater(pieces, waiting).then(() => {
      if (waiting === mine) waiting = undefined
      last?.()
    })
    waiting = mine
    mine.catch(() => answer.destroy())
    return true
  }

  return {
    holdsHead: false,
    write({ bytes, callback }) {
      return send(bytes ? editor.push(bytes) : [], callback && (() => queueMicrotask(callback)))
    },
    end({ bytes, callback }) {
      const pieces = [...(bytes ? editor.push(bytes) : []), ...editor.end()]
      send(pieces, () => {
        release()
        native.end(callback)
      })
    },
  }
}

/** Something else is said in place of what cannot be looked into. */
export function refusingCourse(
  answer: NodeAnswer,
  native: Native,
  refusal: Response,
  release: () => void,
): Course {
  answer.statusCode = refusal.status
  for (const name of ['content-encoding', 'content-length']) answer.removeHeader(name)
  for (const [name, value] of refusal.headers) answer.setHeader(name, value)
  return {
    holdsHead: true,
    write({ callback }) {
      if (callback) queueMicrotask(callback)
      return true
    },
    end({ callback }) {
      refusal.text().then(
        (body) => {
          release()
          native.end(body, callback)
        },
        () => answer.destroy(),
      )
    },
  }
}

function settle(edited: string | Promise<string>, send: (text: string) => void, answer: NodeAnswer): void {
  if (typeof edited === 'string') send(edited)
  else edited.then(send).catch(() => answer.destroy())
}
