import type { Call } from './exchange.ts'
import { routePattern } from './router.ts'

/** One request and the status it was answered with; no status yet, or the connection dropped: undefined. */
export type LogEntry = Omit<Call, 'params' | 'cookies'> & { at: number; status: number | undefined }

export type RequestLog = {
  entries(): LogEntry[]
  /** The requests of one route, `'POST /oauth/token'`, oldest first. */
  calls(route: string): LogEntry[]
  /** Resolves as soon as a route has been called this many times, at once if it already was. */
  arrived(route: string, count?: number): Promise<LogEntry[]>
  add(call: Call, at: number): LogEntry
  clear(): void
}

export function createRequestLog(): RequestLog {
  let entries: LogEntry[] = []
  let waiting: (() => boolean)[] = []

  const calls = (route: string) => {
    const pattern = routePattern(route)
    return entries.filter((entry) => pattern.test(`${entry.method} ${entry.path}`))
  }

  return {
    entries: () => [...entries],
    calls,
    arrived: (route, count = 1) =>
      new Promise((resolve) => {
        const settled = () => {
          const found = calls(route)
          if (found.length >= count) resolve(found)
          return found.length >= count
        }
        if (!settled()) waiting.push(settled)
      }),
    add(call, at) {
      const { params: _params, cookies: _cookies, ...seen } = call
      const entry: LogEntry = { ...seen, at, status: undefined }
      entries.push(entry)
      waiting = waiting.filter((settled) => !settled())
      return entry
    },
    clear() {
      entries = []
    },
  }
}
