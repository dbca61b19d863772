export type Stoppable = {
  /** Answers what is under way, and writes nothing any more once it resolves. */
  stop(): Promise<void>
  log: { fatal(facts: { err: unknown }, what: string): void }
}

/** Milliseconds a process that came across an error of its own may take to answer what is under way. */
const longestLeave = 10_000

/** How this process is ended, other than by its signals. */
export type Ending = {
  /** As a signal would. */
  end(): void
}

/** Node would open its inspector to SIGUSR1; with a listener it does not. */
export function keepInspectorShut(): void {
  process.on('SIGUSR1', () => {})
}

/**
 * From here on a signal ends this process in order, and a second one at once. An error that nobody caught ends it too:
 * nobody knows what state it left behind, so what is under way is answered for a few seconds and no longer, and the exit
 * code says that something is to start another. `onFailing` is told as that begins.
 */
export function endInOrder({ stop, log }: Stoppable, onFailing: () => void = () => {}): Ending {
  let isLeaving = false
  let exitCode = 0
  const leave = () => {
    if (isLeaving) return
    isLeaving = true
    void stop()
      .catch((error: unknown) => {
        exitCode = 1
        log.fatal({ err: error }, 'the stop failed')
      })
      .then(() => process.exit(exitCode))
  }
  process.once('SIGINT', leave)
  process.once('SIGTERM', leave)
  // Rejections that nobody handles arrive here too.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'an error was caught by nobody; this process ends')
    if (exitCode === 1) return
    exitCode = 1
    setTimeout(() => process.exit(1), longestLeave)
    onFailing()
    leave()
  })
  return { end: leave }
}
