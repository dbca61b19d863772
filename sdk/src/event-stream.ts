import type { AnswerEdit } from './tool-list.ts'

/** What goes on, in order; a promise holds up what comes after it. */
export type Piece = Uint8Array | Promise<Uint8Array>

export type EventStreamEditor = {
  push(chunk: Uint8Array): Piece[]
  /** The rest: what came without the empty line that ends an event. */
  end(): Piece[]
}

/** A line with its end, and what it says if it is one of data. */
type Line = { readonly bytes: Uint8Array; readonly data: Uint8Array | undefined }

const lf = 10
const cr = 13
const encoder = new TextEncoder()

/**
 * Edits the data of server-sent events (WHATWG HTML section 9.2.6) as they come by. What is not changed passes byte for
 * byte, and nothing waits for longer than from the first line of data of an event to its end.
 */
export function eventStreamEditor(edit: AnswerEdit): EventStreamEditor {
  let unfinished: Uint8Array[] = []
  let held: Line[] = []
  let isFirst = true
  let isAfterCr = false

  function release(): Piece[] {
    const lines = held
    held = []
    return lines.length === 0 ? [] : [editedEvent(lines, edit)]
  }

  function takeLine(bytes: Uint8Array): Piece[] {
    const content = contentOf(bytes, isFirst)
    isFirst = false
    const data = dataOf(content)
    if (data === undefined && held.length === 0) return [bytes]
    held.push({ bytes, data })
    return content.length === 0 ? release() : []
  }

  /** The second half of CR LF, where a chunk ended between the two, belongs to the line that CR ended. */
  function takeLf(): Piece[] {
    const last = held.pop()
    if (!last) return [Uint8Array.of(lf)]
    held.push({ ...last, bytes: concat([last.bytes, Uint8Array.of(lf)]) })
    return []
  }

  return {
    push(chunk) {
      const pieces: Piece[] = []
      let from = 0
      if (isAfterCr && chunk[0] === lf) {
        pieces.push(...takeLf())
        from = 1
      }
      for (let at = from; at < chunk.length; at++) {
        if (chunk[at] !== lf && chunk[at] !== cr) continue
        if (chunk[at] === cr && chunk[at + 1] === lf) at++
        pieces.push(...takeLine(concat([...unfinished, chunk.subarray(from, at + 1)])))
        unfinished = []
        from = at + 1
      }
      if (from < chunk.length) unfinished.push(chunk.slice(from))
      if (chunk.length > 0) isAfterCr = chunk.at(-1) === cr
      return joined(pieces)
    },
    end() {
      const rest = concat(unfinished)
      unfinished = []
      // A reader that is not strict takes what was cut off for an event, too.
      return [...(rest.length > 0 ? takeLine(rest) : []), ...release()]
    },
  }
}

const lineEnd = /(?:\r\n|\r|\n)?$/

function editedEvent(lines: readonly Line[], edit: AnswerEdit): Piece {
  const as = new TextDecoder('utf-8', { ignoreBOM: true })
  const text = lines.flatMap(({ data }) => (data === undefined ? [] : [as.decode(data)])).join('\n')
  const edited = edit(text)
  const written = (changed: string) =>
    changed === text ? concat(lines.map(({ bytes }) => bytes)) : withData(lines, changed)
  return typeof edited === 'string' ? written(edited) : edited.then(written)
}

/** All lines of data become one, at the place of the first; JSON has no line end in it. */
function withData(lines: readonly Line[], text: string): Uint8Array {
  const first = lines.findIndex(({ data }) => data !== undefined)
  return concat(
    lines.flatMap(({ bytes, data }, at) => {
      if (data === undefined) return [bytes]
      if (at !== first) return []
      const [end = ''] = lineEnd.exec(new TextDecoder().decode(bytes.subarray(-2))) ?? []
      return [encoder.encode(`data: ${text}${end}`)]
    }),
  )
}

/** A line without its end, and the first one without a byte order mark. */
function contentOf(bytes: Uint8Array, isFirst: boolean): Uint8Array {
  const isMarked = isFirst && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  let end = bytes.length
  if (bytes[end - 1] === lf) end--
  if (bytes[end - 1] === cr) end--
  return bytes.subarray(isMarked ? 3 : 0, end)
}

const dataField = encoder.encode('data')

/** The value of a line of data, without the one space that may stand before it. */
function dataOf(content: Uint8Array): Uint8Array | undefined {
  const [colon, space] = [58, 32]
  const after = content[dataField.length]
  const isData =
    dataField.every((byte, at) => content[at] === byte) && (after === undefined || after === colon)
  if (!isData) return undefined
  const from = dataField.length + 1
  return content.subarray(content[from] === space ? from + 1 : from)
}

/** Neighbours that need not wait go on as one. */
function joined(pieces: readonly Piece[]): Piece[] {
  const runs: Piece[] = []
  let run: Uint8Array[] = []
  const close = () => {
    if (run.length > 0) runs.push(concat(run))
    run = []
  }
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) run.push(piece)
    else {
      close()
      runs.push(piece)
    }
  }
  close()
  return runs
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only) return only
  const whole = new Uint8Array(parts.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
