import { setTimeout } from 'node:timers/promises'
import type { Database } from '../postgres/database.ts'
import { askAt, breakReplicas, enterPeople, type Replicas } from '../postgres/replicas.ts'
import { type Scenario, spread } from '../scenario.ts'
import { type Answer, send } from '../send.ts'
import type { Session } from '../things/session.ts'

type Foreigner = Awaited<ReturnType<Database['hold']>>

/** Milliseconds for which nothing goes on. */
const standstill = 20_000
/** Milliseconds after which everybody has an answer, whatever it is. */
const answeredWithin = 25_000

/** What keeps some or all of the database from answering, and ends it. */
type Standstill = { name: string; begin(scene: Replicas): Promise<() => Promise<void>> }

const connectionsOf = `SELECT pid FROM pg_stat_activity WHERE usename = 'coatcheck'
  ORDER BY xact_start IS NULL, state <> 'active', random()`

const standstills: readonly Standstill[] = [
  {
    name: 'a backend that stands still in the middle of a transaction (SIGSTOP)',
    async begin({ database }) {
      const [found] = await database.run<{ pid: number }>(connectionsOf)
      if (!found) throw new Error('no gateway is connected')
      process.kill(found.pid, 'SIGSTOP')
      return async () => void process.kill(found.pid, 'SIGCONT')
    },
  },
  {
    name: 'a foreign lock on every table of sessions, until each pool is exhausted',
    async begin({ database }) {
      const foreigner = await database.hold('postgres')
      await foreigner.query('BEGIN; LOCK TABLE grants, refresh_tokens, connections IN ACCESS EXCLUSIVE MODE')
      return async () => {
        await foreigner.query('ROLLBACK')
        await foreigner.end()
      }
    },
  },
  {
    name: 'a foreigner with every connection the server has',
    async begin({ database }) {
      const taken = await takeAll(database)
      return async () => void (await Promise.all(taken.map((one) => one.end())))
    },
  },
]

/** Whenever a gateway's connection is cut, somebody else is there first; in the end they have all of them. */
async function takeAll({ hold }: Database): Promise<Foreigner[]> {
  const taken: Foreigner[] = []
  const superuser = await hold('postgres')
  for (let quiet = 0; quiet < 20; quiet++) {
    const { rowCount } = await superuser.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'coatcheck' AND application_name <> ''`,
    )
    if (rowCount) quiet = 0
    for (let isFull = false; !isFull; ) {
      await hold('coatcheck').then(
        (one) => {
          taken.push(one)
          quiet = 0
        },
        () => {
          isFull = true
        },
      )
    }
    await setTimeout(20)
  }
  // It stays, so that what it leaves is nobody's.
  return [...taken, superuser]
}

export const databaseStuck: Scenario = {
  name: 'database-stuck',
  about: `nothing goes on in PostgreSQL for ${standstill / 1000} s, for three reasons: everybody has an answer all the same`,
  rounds: 3,
  async run(setting) {
    const { report } = setting
    let longest = 0
    let unanswered = 0
    await breakReplicas(setting, {
      settings: { max_connections: '30' },
      async breaking(scene, round) {
        const { name, begin } = standstills[(round - 1) % standstills.length] as Standstill
        const sessions = await enterPeople(scene, 4)
        const end = await begin(scene)
        const seen = await poke(scene, sessions)
        await end()
        const mendedAt = performance.now()
        report.note(
          `${name}: /healthz ${spread(seen.health)}; retrievals ${spread(seen.retrieval)}, ${words(seen.statuses)}`,
        )
        unanswered += seen.unanswered
        longest = Math.max(longest, ...seen.retrieval)
        return mendedAt
      },
    })
    report.check(
      unanswered === 0,
      `${unanswered} requests without any answer ${answeredWithin / 1000} s after the end`,
    )
    report.check(longest <= answeredWithin, `the longest wait for an answer was ${Math.round(longest)} ms`)
  },
}

/** Asks both gateways for as long as nothing goes on, and waits for the last answer. */
async function poke({ stage, replicas }: Replicas, sessions: readonly Session[]) {
  const health: number[] = []
  const retrieval: number[] = []
  const statuses = new Map<number, number>()
  const timed = async (into: number[], ask: () => Promise<Answer>) => {
    const began = performance.now()
    const { status } = await ask()
    into.push(performance.now() - began)
    return status
  }
  const asked: Promise<unknown>[] = []
  for (const until = performance.now() + standstill; performance.now() < until; ) {
    for (const replica of replicas) {
      asked.push(timed(health, () => send(`${replica.url}/healthz`)))
      for (const session of sessions) {
        const status = timed(retrieval, () => askAt(replica, stage, session))
        asked.push(status.then((each) => statuses.set(each, (statuses.get(each) ?? 0) + 1)))
      }
    }
    await setTimeout(500)
  }
  // Those who asked last wait for what comes after it.
  await Promise.race([Promise.all(asked), setTimeout(answeredWithin)])
  const unanswered = asked.length - health.length - retrieval.length
  return { health, retrieval, statuses, unanswered }
}

const words = (statuses: ReadonlyMap<number, number>) =>
  [...statuses].map(([status, count]) => `${count} answered ${status}`).join(', ')
