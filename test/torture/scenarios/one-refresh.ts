import {
  askAt,
  endTokens,
  enterPeople,
  markOf,
  type Replicas,
  sentSince,
  withReplicas,
} from '../postgres/replicas.ts'
import { pick, type Scenario, spread } from '../scenario.ts'
import type { Session } from '../things/session.ts'

const people = 10
/** Requests at once to each of the two. */
const callers = 50

export const oneRefresh: Scenario = {
  name: 'one-refresh',
  about: `two replicas on PostgreSQL, each asked ${callers} times at once for a token that has ended: one upstream refresh`,
  rounds: 200,
  async run({ rounds, random, report }) {
    const setting = { random, stage: { upstreamLifetime: 3600 } }
    await withReplicas(setting, async (scene) => {
      const sessions = await enterPeople(scene, people)
      const seen: Seen[] = []
      for (let round = 0; round < rounds; round++) seen.push(await askAll(scene, pick(sessions, random)))
      const once = seen.filter(({ refreshes }) => refreshes === 1).length
      report.check(
        once === rounds,
        `${once} of ${rounds} rounds of ${2 * callers} retrievals: one upstream refresh`,
      )
      const missing = seen.reduce((sum, { unanswered }) => sum + unanswered, 0)
      report.check(missing === 0, `${missing} of ${rounds * 2 * callers} retrievals without a token`)
      const differing = seen.filter(({ tokens }) => tokens !== 1).length
      report.check(differing === 0, `${differing} rounds in which not everybody got the same token`)
      report.note(`a round took ${spread(seen.map(({ milliseconds }) => milliseconds))}`)
    })
  },
}

type Seen = { refreshes: number; unanswered: number; tokens: number; milliseconds: number }

async function askAll({ stage, replicas, database }: Replicas, session: Session): Promise<Seen> {
  await endTokens(database, [session])
  const mark = markOf(stage)
  const began = performance.now()
  const answers = await Promise.all(
    replicas.flatMap((replica) => Array.from({ length: callers }, () => askAt(replica, stage, session))),
  )
  return {
    milliseconds: performance.now() - began,
    refreshes: sentSince(stage, mark).length,
    unanswered: answers.filter(({ status }) => status !== 200).length,
    tokens: new Set(answers.map(({ body }) => body.access_token)).size,
  }
}
