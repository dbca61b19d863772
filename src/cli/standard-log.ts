import type { LogSettings } from '../app.ts'
import { joinedLines } from '../lib/joined-lines.ts'

/** The log of a process that serves, on its standard output; what waits is written before it exits. */
export function standardLog(level: string): LogSettings {
  // A reader that went away is no reason to end.
  process.stdout.on('error', () => {})
  const stream = joinedLines(process.stdout)
  process.on('exit', stream.flush)
  return { level, stream }
}
