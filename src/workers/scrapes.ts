import type { Config } from '../config/config.ts'
import type { Gathering, Member } from './gathering.ts'

export type Scrapes = Pick<Gathering, 'join'> & { close(): Promise<void> }

const unwatched: Member = { note: () => {}, leave: () => {} }

/** One place for the metrics of all workers; nothing is loaded where nobody wants them. */
export async function serveTogether(
  { host, metricsPort: port }: Config,
  tell: (line: string) => void,
): Promise<Scrapes> {
  if (port === undefined) return { join: () => unwatched, close: async () => {} }
  const { createGathering } = await import('./gathering.ts')
  const { contentTypeTogether } = await import('../metrics/exposition.ts')
  const { serveMetrics } = await import('../metrics/server.ts')
  const { join, render } = createGathering()
  const { close } = await serveMetrics(
    { contentType: contentTypeTogether, tell: render },
    { host, port },
    (error) => tell(`metrics cannot be told: ${error instanceof Error ? error.stack : String(error)}`),
  )
  return { join, close }
}
