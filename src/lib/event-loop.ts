import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Milliseconds between two looks at the event loop. */
const resolution = 20

export type LoopWatch = {
  /** How late the event loop came to its work on average since the last reading, in milliseconds. */
  read(): number
  stop(): void
}

/** Watches how long what is ready has to wait in this process until it is its turn. */
export function watchEventLoop(): LoopWatch {
  const delays = monitorEventLoopDelay({ resolution })
  delays.enable()
  return {
    read() {
      // Nothing was seen where the next look is due only now.
      const late = delays.count === 0 ? 0 : Math.max(0, delays.mean / 1e6 - resolution)
      delays.reset()
      return late
    },
    stop: () => void delays.disable(),
  }
}
