import { broken, readyAgain } from '../faults.ts'
import { inRounds, without } from '../rounds.ts'
import { pick, type Scenario } from '../scenario.ts'

export const kill: Scenario = {
  name: 'kill',
  about: 'kill -9 at random moments under mixed load: nothing acknowledged is lost, nothing revoked lives',
  rounds: 50,
  async run(setting) {
    await inRounds({
      ...setting,
      stage: {},
      async fault({ stage, model }) {
        const gateway = pick(stage.gateways, setting.random)
        return await broken(model, async () => {
          await gateway.kill('SIGKILL')
          return await without(stage, gateway, () => readyAgain(gateway))
        })
      },
    })
  },
}
