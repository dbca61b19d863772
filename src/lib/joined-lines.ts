/** Where lines go, and what they go through. */
type Sink = { write(text: string): unknown }

/** pipe(7): what has up to PIPE_BUF bytes is written whole. Lines are ASCII, or nearly so. */
const mostAtOnce = 4_096

/**
 * Writes the lines of one turn of the event loop at once: a write costs a busy gateway more than the line did. None is
 * held back for longer, and `flush` writes what is there, for who is about to end. No more than a pipe takes at once goes
 * into one write, so that lines of processes that share it are never mixed.
 */
export function joinedLines(sink: Sink): Sink & { write(line: string): void; flush(): void } {
  let waiting = ''
  const flush = () => {
    if (waiting === '') return
    const lines = waiting
    waiting = ''
    sink.write(lines)
  }
  return {
    write(line) {
      if (waiting.length + line.length > mostAtOnce) flush()
      if (waiting === '') setImmediate(flush)
      waiting += line
    },
    flush,
  }
}
