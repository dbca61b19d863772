import { setTimeout } from 'node:timers/promises'
import type { Database } from '../postgres/database.ts'
import { breakReplicas } from '../postgres/replicas.ts'
import type { Scenario } from '../scenario.ts'

/** Connections cut in one round. */
const cuts = 40

/** Of the gateways' connections the one whose transaction is under way, or any. */
const cutOne = `SELECT pg_terminate_backend(pid), xact_start IS NOT NULL AS busy FROM pg_stat_activity
  WHERE usename = 'coatcheck' ORDER BY xact_start IS NULL, random() LIMIT 1`

export const connectionsCut: Scenario = {
  name: 'connections-cut',
  about: `${cuts} connections to PostgreSQL cut one after the other in each round, in the middle of transactions where there are any`,
  rounds: 10,
  async run(setting) {
    const cut = { idle: 0, busy: 0 }
    await breakReplicas(setting, { breaking: ({ database }) => cutMany(database, cut) })
    setting.report.note(`${cut.busy} connections cut in the middle of a transaction, ${cut.idle} others`)
  },
}

async function cutMany({ hold }: Database, cut: { idle: number; busy: number }): Promise<number> {
  const superuser = await hold('postgres')
  for (let count = 0; count < cuts; count++) {
    const [found] = (await superuser.query<{ busy: boolean }>(cutOne)).rows
    if (found) cut[found.busy ? 'busy' : 'idle']++
    await setTimeout(10)
  }
  await superuser.end()
  return performance.now()
}
