import { setTimeout } from 'node:timers/promises'
import { broken } from '../faults.ts'
import { watchHealth } from '../health.ts'
import { inRounds } from '../rounds.ts'
import { type Scenario, spread } from '../scenario.ts'
import { kinds, openStuck, type Stuck } from '../stuck.ts'

const connections = 1_000
/** Milliseconds after which a client that never finishes what it began to say is hung up on. */
const endedWithin = 20_000
/** Milliseconds for which it is watched. */
const longest = 40_000

export const slowClients: Scenario = {
  name: 'slow-clients',
  about: `${connections} connections that never finish their headers, their body or their reading: others are served`,
  rounds: 1,
  async run(setting) {
    const { report } = setting
    await inRounds({
      ...setting,
      stage: {},
      async fault({ stage, model }) {
        const [gateway] = stage.gateways
        if (!gateway) return undefined
        await broken(model, async () => {
          const names = Object.keys(kinds) as Stuck['kind'][]
          const opened = Array.from({ length: connections }, (_, index) =>
            openStuck(gateway.url, names[index % names.length] ?? 'headers'),
          )
          const stuck = await Promise.all(opened)
          const watch = watchHealth(gateway)
          const latest = performance.now() + longest
          const isWaitedFor = ({ kind, endedAfter }: Stuck) => kind !== 'reading' && endedAfter === undefined
          while (stuck.some(isWaitedFor) && performance.now() < latest) await setTimeout(200)
          const health = await watch.stop()
          report.check(
            Math.max(...health) < 1_000,
            `healthz meanwhile: ${spread(health)}, of ${health.length}`,
          )
          for (const kind of names) {
            const these = stuck.filter((each) => each.kind === kind)
            const ended = these.flatMap(({ endedAfter }) => endedAfter ?? [])
            const words = `${these.length} stuck in ${kind}: ${ended.length} hung up on, after ${spread(ended)}`
            // Whoever does not read costs a buffer the kernel keeps, and is hung up on when it is idle.
            if (kind === 'reading') report.note(words)
            else report.check(ended.length === these.length && Math.max(...ended) <= endedWithin, words)
          }
          for (const { socket } of stuck) socket.destroy()
        })
        return undefined
      },
    })
  },
}
