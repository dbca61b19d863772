import { setTimeout } from 'node:timers/promises'
import { send } from './send.ts'

/** Asks `/healthz` every 20 ms and answers how many milliseconds each answer took. */
export function watchHealth({ url }: { url: string }): { stop(): Promise<number[]> } {
  const took: number[] = []
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      const began = performance.now()
      const { status } = await send(`${url}/healthz`)
      took.push(status === 200 ? performance.now() - began : Number.POSITIVE_INFINITY)
      await setTimeout(20)
    }
  })()
  return {
    async stop() {
      isOver = true
      await watching
      return took
    },
  }
}
