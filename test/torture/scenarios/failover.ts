import { setTimeout } from 'node:timers/promises'
import { breakReplicas } from '../postgres/replicas.ts'
import type { Scenario } from '../scenario.ts'

export const failover: Scenario = {
  name: 'failover',
  about:
    'the primary killed -9 under load and its synchronous standby promoted: nothing acknowledged is lost',
  rounds: 3,
  run: (setting) =>
    breakReplicas(setting, {
      async breaking({ database }) {
        await database.addStandby()
        await setTimeout(500 + setting.random() * 1_000)
        await database.primary().kill('everything')
        const killedAt = performance.now()
        await database.promote()
        return killedAt
      },
    }),
}
