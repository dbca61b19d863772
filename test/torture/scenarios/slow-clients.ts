import { setTimeout } from 'node:timers/promises'
import { broken } from '../faults.ts'
import { watchHealth } from '../health.ts'
import { inRounds } from '../rounds.ts'
import { checkTimes, pick, type Report, type Scenario, spread } from '../scenario.ts'
import { kinds, openStuck, type Stuck } from '../stuck.ts'

const connections = 1_000
/** Milliseconds after which whoever never finishes what they began to say is hung up on. */
const endedWithin = 20_000
/** Milliseconds for which they are watched. */
const longest = 40_000

const names = Object.keys(kinds) as Stuck['kind'][]

export const slowClients: Scenario = {
  name: 'slow-clients',
  about: `${connections} connections that never finish their headers, their body or their reading: others are served`,
  rounds: 1,
  async run(setting) {
    const { report, random } = setting
    await inRounds({
      ...setting,
      stage: {},
      async fault({ stage, model }) {
        const gateway = pick(stage.gateways, random)
        await broken(model, async () => {
          const opened = Array.from({ length: connections }, (_, index) =>
            openStuck(gateway.url, names[index % names.length] ?? 'headers'),
          )
          const stuck = await Promise.all(opened)
          const watch = watchHealth(gateway)
          await untilEnded(stuck)
          const health = await watch.stop()
          checkTimes(report, 'healthz meanwhile', { took: health, within: 1_000 })
          for (const kind of names) tell(report, kind, stuck)
          for (const { socket } of stuck) socket.destroy()
        })
        return undefined
      },
    })
  },
}

async function untilEnded(stuck: readonly Stuck[]): Promise<void> {
  const latest = performance.now() + longest
  const isAwaited = ({ kind, endedAfter }: Stuck) => kind !== 'reading' && endedAfter === undefined
  while (stuck.some(isAwaited) && performance.now() < latest) await setTimeout(200)
}

function tell(report: Report, kind: Stuck['kind'], stuck: readonly Stuck[]): void {
  const these = stuck.filter((each) => each.kind === kind)
  const ended = these.flatMap(({ endedAfter }) => endedAfter ?? [])
  const words = `${these.length} stuck in ${kind}: ${ended.length} hung up on`
  // Every answer here is small enough for the kernel to keep: such a connection is idle, and ends as idle ones do.
  if (kind === 'reading') report.note(`${words}, after ${spread(ended)}`)
  else {
    report.check(ended.length === these.length, words)
    checkTimes(report, `hung up on ${kind}`, { took: ended, within: endedWithin })
  }
}
