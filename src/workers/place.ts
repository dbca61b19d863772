import { createPace } from './pace.ts'
import type { Ended, WorkerProcess } from './worker-process.ts'

/** One of the places for a worker: whoever ends there is followed by another, until it is closed. */
export type Place = {
  /** Asks who is there to stop, lets nobody follow, and answers how they ended. */
  close(): Promise<readonly Ended[]>
}

export type PlaceEvents = {
  start(onFailing: () => void): WorkerProcess
  /** A worker ended by itself, or was ended from outside. */
  onEnd(worker: WorkerProcess, ended: Ended): void
}

export function openPlace({ start, onEnd }: PlaceEvents): Place {
  const pace = createPace()
  /** More than one where one has a fault and still answers what it was asked. */
  const present = new Set<WorkerProcess>()
  let next: NodeJS.Timeout | undefined
  let isClosed = false

  function fill(): void {
    let isFollowed = false
    const startedAt = performance.now()
    const follow = (lived: number) => {
      if (isFollowed || isClosed) return
      isFollowed = true
      next = setTimeout(fill, pace.pauseAfter(lived))
    }
    const worker = start(() => follow(performance.now() - startedAt))
    present.add(worker)
    void worker.ended.then((ended) => {
      present.delete(worker)
      if (isClosed) return
      onEnd(worker, ended)
      follow(ended.lived ?? 0)
    })
  }

  fill()
  return {
    async close() {
      isClosed = true
      clearTimeout(next)
      const leaving = [...present]
      for (const worker of leaving) worker.say({ kind: 'stop' })
      return await Promise.all(leaving.map(({ ended }) => ended))
    },
  }
}
