import { setTimeout } from 'node:timers/promises'
import { createLoad, type Load } from './load.ts'
import { compare, createModel } from './model.ts'
import { compareRecords, tellWrong } from './records.ts'
import { checkTimes, type Random, type Setting } from './scenario.ts'
import { openStage, type Stage, type StageOptions } from './stage.ts'
import type { Scene } from './things/session.ts'

/** Milliseconds after which a gateway that was started takes writes. */
export const readyWithin = 5_000

export type Rounds = Setting & {
  stage: Omit<StageOptions, 'random'>
  /** Milliseconds of load before each fault, at most; absent: 700. */
  lead?: number
  /** People at once; absent: 12. */
  actors?: number
  /**
   * One fault, while the load goes on; whoever breaks says so to `broken`. Answers the milliseconds until all was ready
   * again, or nothing where nothing was restarted.
   */
  fault: (scene: Scene, round: number, load: Load) => Promise<number | undefined>
  /** Before the processes end. */
  last?: (scene: Scene) => Promise<void>
}

/** Load, a fault, and a look at what is true: again and again, and at everything in the end. */
export async function inRounds(options: Rounds): Promise<void> {
  const { random, rounds, report, fault, actors = 12, lead = 700 } = options
  const stage = await openStage({ ...options.stage, random })
  const scene = { stage, model: createModel() }
  const load = createLoad(scene, { actors, random })
  const ready: number[] = []
  try {
    let looks = await warmUp(scene, load, random)
    for (let round = 1; round <= rounds; round++) {
      load.resume()
      await setTimeout(100 + random() * lead)
      const wait = await fault(scene, round, load)
      if (wait !== undefined) ready.push(wait)
      await load.pause()
      looks += await compare(scene.model, random, 'touched')
      tellWrong(scene.model, report, `after fault ${round}`)
      if (round % 50 === 0) report.note(`${round} rounds so far`)
    }
    looks += await compare(scene.model, random, 'all')
    tellWrong(scene.model, report, 'in the end')
    const { answers, facts } = scene.model
    report.check(
      answers.acknowledged > 0,
      `${rounds} rounds: ${answers.acknowledged} requests acknowledged, ${answers.refused} refused, ${answers.unknown} cut off or failed; ${facts.length} facts, looked at ${looks} times`,
    )
    if (ready.length > 0) checkTimes(report, 'from the start to ready', { took: ready, within: readyWithin })
    await compareRecords(scene, report)
    await options.last?.(scene)
  } finally {
    await load.pause()
    await stage.stop()
  }
}

/** Everybody has done a few things before anything breaks. */
async function warmUp({ model }: Scene, load: Load, random: Random): Promise<number> {
  load.resume()
  while (model.facts.length < 40) await setTimeout(20)
  await load.pause()
  return await compare(model, random, 'touched')
}

/** Takes a gateway out of the balancer while something is done to it. */
export async function without<Value>(
  stage: Stage,
  gateway: Stage['gateways'][number],
  act: () => Promise<Value>,
): Promise<Value> {
  stage.setOut(gateway, 'out')
  try {
    return await act()
  } finally {
    stage.setOut(gateway, 'in')
  }
}
