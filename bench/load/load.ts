import { startChild } from '../child.ts'
import type { LoadOrder, LoadReport, Measured, Plan } from './plan.ts'

export type Load = {
  prepare(plan: Plan): Promise<void>
  run(seconds: number): Promise<Measured>
  stop(): Promise<void>
}

/** The process that makes the load, on a core of its own. */
export async function startLoad(cores: string): Promise<Load> {
  const child = startChild({ args: ['bench/load/main.ts'], cores })
  const ask = async (order: LoadOrder) => await child.ask<LoadReport>(order)
  return {
    async prepare(plan) {
      await ask({ order: 'prepare', plan })
    },
    async run(seconds) {
      const answer = await ask({ order: 'run', seconds })
      if (answer.report !== 'measured') throw new Error('the load was not measured')
      return answer.measured
    },
    stop: child.stop,
  }
}
