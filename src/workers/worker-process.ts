import cluster from 'node:cluster'
import type { Config } from '../config/config.ts'
import type { Collected } from '../metrics/exposition.ts'
import { closeForgotten } from './handover.ts'
import type { FromWorker, ToWorker } from './message.ts'
import { type Pulse, watchPulse } from './pulse.ts'

export type WorkerProcess = {
  pid: number | undefined
  say(message: ToWorker): void
  ended: Promise<Ended>
}

export type Ended = {
  inOrder: boolean
  /** By which signal or with which code, or why it could not start. */
  how: string
  /** Milliseconds it was ready; absent: it never was. */
  lived: number | undefined
}

export type Heard = {
  onReady(): void
  onFailing(): void
  onMetrics(metrics: Collected): void
}

/** Starts a process that answers beside others, on a port that all of them share. */
export function startWorker(config: Config, { onReady, onFailing, onMetrics }: Heard): WorkerProcess {
  const { promise: ended, resolve } = Promise.withResolvers<Ended>()
  const worker = cluster.fork(withoutOwn(process.env))
  closeForgotten(worker.process)
  // Where it is gone, its end is told already.
  const say = (message: ToWorker) => void worker.send(message, () => {})
  let readyAt: number | undefined
  let reason: string | undefined
  let pulse: Pulse | undefined
  const giveUp = () => {
    reason = 'it stood still'
    worker.process.kill('SIGKILL')
  }
  worker.on('message', (message: FromWorker) => {
    switch (message.kind) {
      case 'ready':
        readyAt = performance.now()
        pulse = watchPulse(giveUp)
        return onReady()
      case 'alive':
        return pulse?.heard()
      case 'failed':
        reason = message.message
        return
      case 'failing':
        return onFailing()
      case 'collected':
        return onMetrics(message.metrics)
    }
  })
  worker.once('exit', (code, signal) => {
    pulse?.end()
    resolve({
      inOrder: code === 0,
      how: reason ?? (signal ? `it ended by ${signal}` : `it ended with code ${code}`),
      lived: readyAt === undefined ? undefined : performance.now() - readyAt,
    })
  })
  // The system has no place for another process; there is no exit then.
  worker.once('error', (error) => resolve({ inOrder: false, how: error.message, lived: undefined }))
  say({ kind: 'start', config })
  return { pid: worker.process.pid, say, ended }
}

/** A worker is told everything; its environment, which others may see, has no secret of ours. */
function withoutOwn(env: Readonly<Record<string, string | undefined>>): Record<string, undefined> {
  const own = Object.keys(env).filter((name) => name.startsWith('COATCHECK_'))
  return Object.fromEntries(own.map((name) => [name, undefined]))
}
