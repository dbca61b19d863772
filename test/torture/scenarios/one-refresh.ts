import { setTimeout } from 'node:timers/promises'
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
import type { Answer } from '../send.ts'
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
      const told = seen.reduce((sum, { toldToWait }) => sum + toldToWait, 0)
      report.note(
        `${told} retrievals told to come again; a round took ${spread(seen.map(({ milliseconds }) => milliseconds))}`,
      )
    })
  },
}

type Seen = {
  refreshes: number
  unanswered: number
  tokens: number
  toldToWait: number
  milliseconds: number
}

async function askAll({ stage, replicas, database }: Replicas, session: Session): Promise<Seen> {
  await endTokens(database, [session])
  const mark = markOf(stage)
  const began = performance.now()
  const answers = await Promise.all(
    replicas.flatMap((replica) =>
      Array.from({ length: callers }, () => askOn(() => askAt(replica, stage, session))),
    ),
  )
  return {
    milliseconds: performance.now() - began,
    refreshes: sentSince(stage, mark).length,
    unanswered: answers.filter(({ answer }) => answer.status !== 200).length,
    tokens: new Set(answers.map(({ answer }) => answer.body.access_token)).size,
    toldToWait: answers.filter(({ tries }) => tries > 1).length,
  }
}

/** Where a gateway has too much to do at once, it says when to come again. */
async function askOn(ask: () => Promise<Answer>): Promise<{ answer: Answer; tries: number }> {
  for (let tries = 1; ; tries++) {
    const answer = await ask()
    if (answer.status !== 503 || tries === 5) return { answer, tries }
    await setTimeout(Number(answer.body.retry_after ?? 1) * 1_000)
  }
}
