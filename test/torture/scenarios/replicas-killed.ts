import { readyAgain } from '../faults.ts'
import { breakReplicas } from '../postgres/replicas.ts'
import { without } from '../rounds.ts'
import { pick, type Scenario } from '../scenario.ts'

export const replicasKilled: Scenario = {
  name: 'replicas-killed',
  about:
    'two replicas on PostgreSQL under mixed load, one of them killed -9 at random: nothing acknowledged is lost',
  rounds: 40,
  run: (setting) =>
    breakReplicas(setting, {
      async breaking({ stage, replicas }) {
        const victim = pick(replicas, setting.random)
        await victim.kill('SIGKILL')
        const killedAt = performance.now()
        await without(stage, victim, () => readyAgain(victim))
        return killedAt
      },
    }),
}
