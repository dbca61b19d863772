import { concat, eventStreamEditor, type Piece } from '../event-stream.ts'
import type { AnswerEdit } from '../tool-list.ts'
import { formOf } from '../web-tools.ts'

type HeaderValue = string | number | readonly string[]
type Callback = (error?: Error | null) => void

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

type Written = { bytes: Uint8Array | undefined; callback: Callback | undefined }

/** How what is written to one answer goes on. */
type Course = {
  readonly holdsHead: boolean
  write(written: Written): boolean
  end(written: Written): void
}

type Native = Pick<NodeAnswer, 'writeHead' | 'write' | 'end'>

/**
 * Edits an answer where it leaves: whatever writes it, a transport or a framework, calls these methods in the end. Which way
 * it goes is decided by its headers, when the first of it is written.
 */
export function editNodeAnswer(answer: NodeAnswer, edit: AnswerEdit, unreadable: () => Response): void {
  const native: Native = {
    writeHead: answer.writeHead.bind(answer),
    write: answer.write.bind(answer),
    end: answer.end.bind(answer),
  }
  const flushHeaders = answer.flushHeaders?.bind(answer)
  let course: Course | undefined

  /** Once it has begun, and nothing is held up, the methods are Node's own again. */
  const release = () => {
    Object.assign(answer, native, flushHeaders && { flushHeaders })
  }
  const begin = (): Course => {
    if (course) return course
    const form = formOf(text(answer.getHeader('content-type')), text(answer.getHeader('content-encoding')))
    switch (form) {
      case 'json':
        course = jsonCourse(answer, native, edit, release)
        break
      case 'events':
        answer.removeHeader('content-length')
        course = eventCourse(answer, native, edit, release)
        break
      case 'unreadable':
        course = refusingCourse(answer, native, unreadable(), release)
        break
      case 'other':
        release()
        course = { holdsHead: false, write: passed(native), end: passedEnd(native) }
    }
    return course
  }

  answer.writeHead = (status: number, ...rest: unknown[]) => {
    if (course) return native.writeHead(status, ...rest)
    answer.statusCode = status
    applyHead(answer, rest)
    if (!begin().holdsHead) native.writeHead(answer.statusCode)
    return answer
  }
  answer.flushHeaders = () => {
    if (!begin().holdsHead) flushHeaders?.()
  }
  answer.write = (...written: unknown[]) => begin().write(understood(written))
  answer.end = (...written: unknown[]) => {
    begin().end(understood(written))
    return answer
  }
}

const passed =
  (native: Native) =>
  ({ bytes, callback }: Written) =>
    native.write(bytes ?? '', callback)
const passedEnd =
  (native: Native) =>
  ({ bytes, callback }: Written) =>
    bytes ? native.end(bytes, callback) : native.end(callback)

/** JSON is one text: it goes when it is whole. */
function jsonCourse(answer: NodeAnswer, native: Native, edit: AnswerEdit, release: () => void): Course {
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
        if (after === before) return passedEnd(native)({ ...written, bytes: whole })
        const bytes = new TextEncoder().encode(after)
        answer.setHeader('content-length', String(bytes.length))
        native.end(bytes, written.callback)
      }
      settle(edit(before), send, answer)
    },
  }
}

/** Events go on as they come; only a list of tools waits for who may see it, and what comes after for the list. */
function eventCourse(answer: NodeAnswer, native: Native, edit: AnswerEdit, release: () => void): Course {
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
function refusingCourse(answer: NodeAnswer, native: Native, refusal: Response, release: () => void): Course {
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

const text = (value: HeaderValue | undefined): string | undefined =>
  value === undefined ? undefined : String(value)

/** `writeHead(status, message?, headers?)`, whose headers are an object, or a list flat or of pairs. */
function applyHead(answer: NodeAnswer, rest: readonly unknown[]): void {
  const [first, second] = rest
  if (typeof first === 'string') answer.statusMessage = first
  const headers = typeof first === 'string' ? second : first
  const values = new Map<string, HeaderValue[]>()
  for (const [name, value] of headerPairs(headers)) {
    if (value !== undefined) values.set(name, [...(values.get(name) ?? []), value].flat())
  }
  for (const [name, [only = '', ...more]] of values) {
    answer.setHeader(name, more.length === 0 ? only : [only, ...more].map(String))
  }
}

function headerPairs(headers: unknown): [string, HeaderValue | undefined][] {
  if (!Array.isArray(headers))
    return Object.entries((headers ?? {}) as Record<string, HeaderValue | undefined>)
  if (headers.every((each) => Array.isArray(each))) return headers as [string, HeaderValue][]
  return headers.flatMap((name, at) => (at % 2 === 0 ? [[String(name), headers[at + 1]]] : []))
}

/** `(chunk?, encoding?, callback?)`, each of which may be missing. */
function understood(written: readonly unknown[]): Written {
  const callback = written.find((each): each is Callback => typeof each === 'function')
  const [chunk, encoding] = written
  const isData = typeof chunk === 'string' || chunk instanceof Uint8Array
  return { bytes: isData ? bytesOf(chunk, encoding) : undefined, callback }
}

function bytesOf(chunk: string | Uint8Array, encoding: unknown): Uint8Array {
  // A copy: whoever wrote it may use its memory again.
  if (typeof chunk !== 'string') return new Uint8Array(chunk)
  if (encoding === 'latin1' || encoding === 'binary') {
    return Uint8Array.from(chunk, (letter) => letter.charCodeAt(0))
  }
  return new TextEncoder().encode(chunk)
}
