import type { AnswerEdit } from '../tool-list.ts'
import { formOf } from '../web-tools.ts'
import {
  type Callback,
  type Course,
  eventCourse,
  type HeaderValue,
  jsonCourse,
  type Native,
  type NodeAnswer,
  plainCourse,
  refusingCourse,
  type Written,
} from './answer-courses.ts'

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
  let isEnded = false

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
        course = plainCourse(native)
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
  // What comes after the end is nothing to Node, and must not become part of what is held up.
  answer.write = (...written: unknown[]) => !isEnded && begin().write(understood(written))
  answer.end = (...written: unknown[]) => {
    if (isEnded) return answer
    isEnded = true
    begin().end(understood(written))
    return answer
  }
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
