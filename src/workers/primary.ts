import cluster from 'node:cluster'
import type { Config } from '../config/config.ts'
import { openPlace, type Place } from './place.ts'
import { serveTogether } from './scrapes.ts'
import { type Ended, startWorker, type WorkerProcess } from './worker-process.ts'
import { WorkersError } from './workers-error.ts'

export type Workers = {
  /** Resolves when all of them listen. Rejects with `WorkersError` where the first one cannot start: neither can the others. */
  listening: Promise<void>
  /** All of them at once, each answering what is under way. Rejects where one did not end in order. */
  stop(): Promise<void>
  /** Resolves once none is there and none can be started any more. */
  givenUp: Promise<WorkersError>
}

export type WorkersOptions = {
  /** The module a worker runs. */
  entry: string
  /** Told what the operator should know. */
  tell: (line: string) => void
}

/** Starts in a row that come to nothing while nobody answers, before somebody else is to see to it. */
const mostFailedStarts = 5

/**
 * Starts as many gateways as are configured, over one port, and keeps them running. They may be stopped before all of
 * them listen: one for which there is no room yet is tried for again and again, while the others answer.
 */
export async function startWorkers(config: Config, { entry, tell }: WorkersOptions): Promise<Workers> {
  // Not even while a worker begins does a signal open the inspector to whoever may send it one.
  const execArgv = [...process.execArgv, '--disable-sigusr1']
  cluster.setupPrimary({ exec: entry, args: [], execArgv, serialization: 'advanced' })
  const scrapes = await serveTogether(config, tell)
  const places: Place[] = []
  const ready = new Set<WorkerProcess>()
  const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<WorkersError>()
  let failedStarts = 0
  let mayFail = 1
  let isStopping = false

  function open(): Promise<void> {
    const { promise: isReady, resolve: onReady } = Promise.withResolvers<void>()
    const start = (onFailing: () => void): WorkerProcess => {
      const member = scrapes.join(() => worker.say({ kind: 'collect' }))
      const worker = startWorker(config, {
        onReady() {
          ready.add(worker)
          failedStarts = 0
          mayFail = mostFailedStarts
          onReady()
        },
        onFailing,
        onMetrics: member.note,
      })
      void worker.ended.then(member.leave)
      return worker
    }
    places.push(openPlace({ start, onEnd }))
    return isReady
  }

  function onEnd(worker: WorkerProcess, { how, lived }: Ended): void {
    ready.delete(worker)
    if (lived === undefined) failedStarts += 1
    const isHopeless = ready.size === 0 && failedStarts >= mayFail
    if (isHopeless) giveUp(new WorkersError(how))
    else tell(`worker ${worker.pid ?? ''}: ${how}; another takes its place`)
  }

  async function close(): Promise<readonly Ended[]> {
    const ends = await Promise.all(places.map((place) => place.close()))
    await scrapes.close()
    return ends.flat()
  }

  async function orGiveUp(started: Promise<unknown>): Promise<void> {
    const error = await Promise.race([givenUp, started.then(() => undefined)])
    if (!error) return
    await close()
    throw error
  }

  async function openAll(): Promise<void> {
    await orGiveUp(open())
    if (isStopping) return
    await orGiveUp(Promise.all(Array.from({ length: config.workers - 1 }, open)))
  }

  return {
    listening: openAll(),
    givenUp,
    async stop() {
      isStopping = true
      const unruly = (await close()).filter(({ inOrder }) => !inOrder)
      if (unruly.length > 0) throw new WorkersError(unruly.map(({ how }) => how).join('; '))
    },
  }
}
