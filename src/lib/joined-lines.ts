/** Where lines go, and what they go through. */
type Sink = { write(text: string): unknown }

/**
 * Writes the lines of one turn of the event loop at once: a write costs a busy gateway more than the line did. None is
 * held back for longer, and `flush` writes what is there, for who is about to end.
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
      if (waiting === '') setImmediate(flush)
      waiting += line
    },
    flush,
  }
}
