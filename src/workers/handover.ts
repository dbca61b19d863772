import type { ChildProcess } from 'node:child_process'

/** A connection on its way to a worker, as the primary process still has it. */
type Connection = { close(): void }

/**
 * Closes the connection that was being handed to a worker as it died. node:cluster (24) forgets it: this process keeps its
 * end open, nobody reads it, and whoever opened it waits for ever. By messages of node:cluster's own, since it tells
 * of none of this; should they change, that wait is back, and a test says so.
 */
export function closeForgotten(worker: ChildProcess): void {
  const underWay = new Map<unknown, Connection>()
  const send = worker.send.bind(worker) as (...call: unknown[]) => boolean
  worker.send = (...call: unknown[]) => {
    const [message, handle] = call as [{ act?: unknown; seq?: unknown }, Connection | undefined]
    if (message.act === 'newconn' && handle) underWay.set(message.seq, handle)
    return send(...call)
  }
  worker.on('internalMessage', ({ ack }: { ack?: unknown }) => underWay.delete(ack))
  worker.once('exit', () => {
    for (const connection of underWay.values()) connection.close()
  })
}
