import { setTimeout } from 'node:timers/promises'
import type { Database } from '../postgres/database.ts'
import { type Replicas, withReplicas } from '../postgres/replicas.ts'
import { type Scenario, spread } from '../scenario.ts'

/** Milliseconds within which another process goes on with what one left behind. */
const takenOverWithin = 10_000

export const choreHolderStopped: Scenario = {
  name: 'chore-holder-stopped',
  about:
    'SIGSTOP of the gateway that sweeps, in the middle of it: the other one takes over, and nothing is written over',
  rounds: 5,
  async run({ rounds, random, report }) {
    await withReplicas({ random }, async (scene) => {
      const takenOver: number[] = []
      let overwritten = 0
      let stuck = 0
      for (let round = 0; round < rounds; round++) {
        const { resume, tookOver, milliseconds } = await stopSweeper(scene)
        takenOver.push(milliseconds)
        await resume()
        // It comes to itself, and gives back what it no longer has.
        await setTimeout(2_500)
        const now = await choreOf(scene.database)
        if (now.fence !== tookOver.fence || now.done_at !== tookOver.done_at) overwritten++
        if (!(await isSweptAnew(scene.database))) stuck++
      }
      const slowest = Math.max(...takenOver)
      report.check(
        slowest <= takenOverWithin,
        `${rounds} stops, taken over by the other one: ${spread(takenOver)}`,
      )
      report.check(
        overwritten === 0,
        `${overwritten} times the one that stood still wrote over the other's word`,
      )
      report.check(stuck === 0, `${stuck} times nobody swept any more afterwards`)
    })
  },
}

type Sweep = { fence: number; holder: string | null; done_at: number | null }

async function choreOf({ run }: Database): Promise<Sweep> {
  const [found] = await run<Sweep>(`SELECT fence::int, holder, done_at::int FROM chores WHERE name = 'sweep'`)
  return found ?? { fence: 0, holder: null, done_at: null }
}

/** A sweep is due, and held up by a lock; whoever waits for it stands still from then on. */
async function stopSweeper({ database, replicas }: Replicas) {
  await untilSwept(database)
  const foreigner = await database.hold('postgres')
  await foreigner.query('BEGIN; LOCK TABLE interactions IN SHARE ROW EXCLUSIVE MODE')
  await database.run(`UPDATE chores SET done_at = 0 WHERE name = 'sweep'`)
  let victim: number | undefined
  while (victim === undefined) {
    const waiting = `wait_event_type = 'Lock' AND usename = 'coatcheck'`
    const [found] = await database.run<{ name: string }>(
      `SELECT application_name AS name FROM pg_stat_activity WHERE ${waiting}`,
    )
    victim = replicas.map(({ pid }) => pid()).find((pid) => found?.name.endsWith(`:${pid}`))
    await setTimeout(20)
  }
  const pid = victim
  process.kill(pid, 'SIGSTOP')
  await foreigner.query('ROLLBACK')
  await foreigner.end()
  const began = performance.now()
  const tookOver = await untilSwept(database)
  return {
    tookOver,
    milliseconds: performance.now() - began,
    resume: async () => void process.kill(pid, 'SIGCONT'),
  }
}

async function untilSwept(database: Database, patience = 60_000): Promise<Sweep> {
  for (const until = performance.now() + patience; ; ) {
    const seen = await choreOf(database)
    if (seen.holder === null && (seen.done_at ?? 0) > 0) return seen
    if (performance.now() > until) throw new Error('nobody sweeps')
    await setTimeout(50)
  }
}

async function isSweptAnew(database: Database): Promise<boolean> {
  await database.run(`UPDATE chores SET done_at = 0 WHERE name = 'sweep'`)
  return await untilSwept(database, 10_000).then(
    () => true,
    () => false,
  )
}
