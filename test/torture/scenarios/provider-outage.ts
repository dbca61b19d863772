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
import { pick, type Random, type Scenario, spread } from '../scenario.ts'
import { tokenRoute } from '../stage.ts'
import type { Session } from '../things/session.ts'

const people = 150
/** Milliseconds for which the provider answers nobody. */
const outage = 10_000
/** Milliseconds it takes to answer afterwards, so that one sees how many it is asked by at once. */
const slowness = 200
/** Requests that a gateway has under way at one provider, at most. */
const widest = 64
/** One by one, of both gateways together, once they know that it is down. */
const mostTries = 20
/** Milliseconds: the longest a provider is left alone after so short an outage, and time for a busy machine. */
const recoversWithin = 60_000

export const providerOutage: Scenario = {
  name: 'provider-outage',
  about: `every upstream token has ended, the provider is down for ${outage / 1000} s and comes back while ${people} MCP servers' calls retry without patience: it is not run over`,
  rounds: 2,
  async run({ rounds, random, report }) {
    const stage = { upstreamLifetime: 3600 }
    await withReplicas({ random, stage }, async (scene) => {
      const sessions = await enterPeople(scene, people)
      for (let round = 1; round <= rounds; round++) {
        const seen = await goDown(scene, sessions, random)
        report.note(
          `round ${round}: ${seen.asked} calls, of which the provider saw ${seen.during} while it was down and ${seen.after} afterwards; first ${seen.ramp.join(', ')} under way every ${slowness} ms`,
        )
        report.check(
          seen.during <= 2 * widest + mostTries,
          `${seen.during} upstream requests in ${outage / 1000} s of outage`,
        )
        report.check(seen.most <= 2 * widest, `never more than ${seen.most} under way at once`)
        report.check((seen.ramp[0] ?? 0) <= 4, `${seen.ramp[0]} under way when the first answer came`)
        report.check(seen.after === people, `${seen.after} refreshes for ${people} tokens`)
        const slowest = Math.max(...seen.servedAfter)
        report.check(slowest <= recoversWithin, `all served after it was back: ${spread(seen.servedAfter)}`)
      }
    })
  },
}

async function goDown(scene: Replicas, sessions: readonly Session[], random: Random) {
  const { stage, database } = scene
  const { control } = stage.provider
  await endTokens(database, sessions)
  const mark = markOf(stage)
  control.script({ on: tokenRoute, times: 'always', effect: { kind: 'respond', status: 503, body: '' } })
  let isDone = false
  let asked = 0
  const servedAt: number[] = []
  const insist = async (session: Session) => {
    for (;;) {
      asked++
      const { status } = await askAt(pick(scene.replicas, random), stage, session)
      if (status === 200) return servedAt.push(performance.now())
      await setTimeout(500 + random() * 500)
    }
  }
  const insisting = Promise.all(sessions.map(insist)).finally(() => {
    isDone = true
  })
  await setTimeout(outage)
  control.clearScripts()
  control.script({ on: tokenRoute, times: 'always', effect: { kind: 'delay', milliseconds: slowness } })
  const backAt = performance.now()
  const during = sentSince(stage, mark).length
  const backMark = markOf(stage)
  const ramp: number[] = []
  let most = 0
  for (let nextSample = 0; !isDone; await setTimeout(20)) {
    const calls = stage.provider.calls(tokenRoute).slice(backMark)
    const underWay = calls.filter(({ status }) => status === undefined).length
    most = Math.max(most, underWay)
    if (calls.length > 0 && performance.now() >= nextSample) {
      ramp.push(underWay)
      nextSample = performance.now() + slowness
    }
  }
  await insisting
  control.clearScripts()
  const servedAfter = servedAt.map((at) => at - backAt)
  return {
    asked,
    during,
    after: sentSince(stage, backMark).length,
    ramp: ramp.slice(0, 10),
    most,
    servedAfter,
  }
}
