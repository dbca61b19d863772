import { setTimeout } from 'node:timers/promises'
import { broken, readyAgain } from '../faults.ts'
import { createLoad } from '../load.ts'
import { compare, createModel } from '../model.ts'
import { compareRecords, tellWrong } from '../records.ts'
import { type Scenario, spread } from '../scenario.ts'
import { openStage } from '../stage.ts'

/** Milliseconds of load before each kill, at most. */
const longestRound = 600
/** Milliseconds after which a gateway that was killed is back. */
const readyWithin = 5_000

export const kill: Scenario = {
  name: 'kill',
  about: 'kill -9 at random moments under mixed load: nothing acknowledged is lost, nothing revoked lives',
  rounds: 100,
  async run({ rounds, random, report }) {
    const stage = await openStage({ random })
    const scene = { stage, model: createModel() }
    const { model } = scene
    const ready: number[] = []
    let compared = 0
    const load = createLoad(scene, { actors: 12, random })
    try {
      const [gateway] = stage.gateways
      if (!gateway) return
      for (let round = 1; round <= rounds; round++) {
        load.resume()
        await setTimeout(100 + random() * longestRound)
        await broken(model, async () => {
          await gateway.kill('SIGKILL')
          stage.setOut(gateway, 'out')
          ready.push(await readyAgain(gateway))
          stage.setOut(gateway, 'in')
        })
        await load.pause()
        compared += await compare(model, random, 'touched')
        tellWrong(model, report, `after kill ${round}`)
      }
      compared += await compare(model, random, 'all')
      tellWrong(model, report, 'in the end')
      const { acknowledged, refused, unknown } = model.answers
      report.note(
        `${rounds} kills: ${acknowledged} requests acknowledged, ${refused} refused, ${unknown} cut off; ${model.facts.length} facts, looked at ${compared} times`,
      )
      report.note(
        Object.entries(load.counts)
          .map(([act, times]) => `${act} ${times}`)
          .join(', '),
      )
      report.check(Math.max(...ready) <= readyWithin, `ready again after each kill: ${spread(ready)}`)
      await compareRecords(scene, report)
    } finally {
      await load.pause()
      await stage.stop()
    }
  },
}
