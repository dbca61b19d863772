import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import SqliteDatabase from 'better-sqlite3'
import { broken, untilReady } from '../faults.ts'
import { watchHealth } from '../health.ts'
import { inRounds } from '../rounds.ts'
import { checkTimes, pick, type Scenario } from '../scenario.ts'

/** Seconds for which another process holds the database, in turn. */
const holds = [3, 30]
/** Milliseconds after which everything works again once it has let go. */
const healsWithin = 5_000

export const foreignLock: Scenario = {
  name: 'foreign-lock',
  about: 'another process holds the write lock 3 s and 30 s: no answer waits inside SQLite, nothing is lost',
  rounds: 2,
  async run(setting) {
    const health: number[] = []
    const healed: number[] = []
    await inRounds({
      ...setting,
      stage: {},
      async fault({ stage, model }, round) {
        const gateway = pick(stage.gateways, setting.random)
        const connection = new SqliteDatabase(join(stage.folder, 'coatcheck.db'))
        await broken(model, async () => {
          const watch = watchHealth(gateway)
          connection.exec('BEGIN IMMEDIATE')
          await setTimeout((holds[(round - 1) % holds.length] ?? 0) * 1000)
          connection.exec('ROLLBACK')
          connection.close()
          healed.push(await untilReady(gateway))
          health.push(...(await watch.stop()))
        })
        return undefined
      },
    })
    const { report } = setting
    checkTimes(report, 'healthz meanwhile', { took: health, within: 1_000 })
    checkTimes(report, 'takes writes again', { took: healed, within: healsWithin })
  },
}
