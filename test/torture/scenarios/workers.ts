import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import type { ChildGateway } from '../../support/child-gateway.ts'
import { broken, readyAgain, untilReady } from '../faults.ts'
import { inRounds, without } from '../rounds.ts'
import { pick, type Scenario, spread } from '../scenario.ts'

const workersOfOne = '2'

export const workers: Scenario = {
  name: 'workers',
  about: `${workersOfOne} workers on one port, and one of them or the process that keeps them killed by kill -9: the same is promised`,
  rounds: 10,
  async run(setting) {
    const { random, report } = setting
    if (process.platform !== 'linux') return report.skip('which process is a worker is only known on Linux')
    const replaced: number[] = []
    await inRounds({
      ...setting,
      stage: { env: { COATCHECK_WORKERS: workersOfOne } },
      async fault({ stage, model }, round) {
        const gateway = pick(stage.gateways, setting.random)
        return await broken(model, async () => {
          if (round % 2 === 0) {
            await gateway.kill('SIGKILL')
            return await without(stage, gateway, () => readyAgain(gateway))
          }
          const victim = pick(childrenOf(gateway), random)
          process.kill(victim, 'SIGKILL')
          const began = performance.now()
          const isReplaced = (those: readonly number[]) =>
            !those.includes(victim) && those.length >= Number(workersOfOne)
          while (!isReplaced(childrenOf(gateway))) await setTimeout(20)
          await untilReady(gateway)
          replaced.push(performance.now() - began)
          return undefined
        })
      },
    })
    report.note(`a worker that was killed is replaced: ${spread(replaced)}`)
  },
}

function childrenOf(gateway: ChildGateway): number[] {
  const pid = gateway.pid()
  if (pid === undefined) return []
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}
