import { clearInterval, setInterval } from 'node:timers'
import { setTimeout } from 'node:timers/promises'
import type { ChildGateway } from '../../support/child-gateway.ts'
import { untilReady } from '../faults.ts'
import { openFront } from '../front.ts'
import { askAt, enterPeople, markOf, type Replicas, sentSince, withReplicas } from '../postgres/replicas.ts'
import { pick, type Scenario, spread } from '../scenario.ts'
import type { Answer } from '../send.ts'
import { introspect, refresh, type Session } from '../things/session.ts'

const people = 50
/** Requests a second. */
const rate = 100

export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  about: `two replicas behind a balancer at ${rate} requests/s, stopped and started one after the other: no request fails`,
  rounds: 5,
  async run({ rounds, random, report }) {
    const stage = { upstreamLifetime: 5 }
    await withReplicas({ random, stage }, async (scene) => {
      const sessions = await enterPeople(scene, people)
      const front = await openFront((but) => {
        const others = scene.replicas.map(({ url }) => url).filter((url) => url !== but)
        return pick(others, random)
      })
      const behind = { ...scene, stage: { ...scene.stage, address: () => front.url } }
      const mark = markOf(scene.stage)
      const traffic = beginTraffic(behind, sessions)
      const restarts: number[] = []
      try {
        for (let round = 0; round < rounds; round++) {
          for (const replica of scene.replicas) restarts.push(await restart(replica))
        }
      } finally {
        await traffic.end()
        await front.stop()
      }
      const { asked, failed, took } = traffic
      const sent = sentSince(scene.stage, mark)
      report.check(
        failed.length === 0,
        `${rounds * 2} restarts, ${asked()} requests, ${front.counts.retried} passed on to the other one: ${failed.length} failed ${words(failed)}`,
      )
      const repeated = sent.length - new Set(sent).size
      report.check(repeated === 0, `${sent.length} upstream refreshes, ${repeated} sent twice`)
      report.note(`an answer took ${spread(took)}; a stop and a start ${spread(restarts)}`)
    })
  },
}

/** As a supervisor does: told to stop, waited for, started, and left alone until it is ready. */
async function restart(replica: ChildGateway): Promise<number> {
  const began = performance.now()
  await replica.restart()
  await untilReady(replica)
  const took = performance.now() - began
  await setTimeout(500)
  return took
}

/** Everybody's client and MCP server ask on and on, whether they were answered yet or not. */
function beginTraffic(scene: Replicas, sessions: readonly Session[]) {
  const busy = new Set<Session>()
  const failed: Answer[] = []
  const took: number[] = []
  let asked = 0
  const acts = [
    (session: Session) => askAt({ url: scene.stage.address() }, scene.stage, session),
    (session: Session) => introspect(scene, session),
    async (session: Session) => (await refresh(scene, session))[0],
  ]
  const ask = async () => {
    // A client refreshes one token at a time.
    const session = sessions[asked++ % sessions.length]
    if (!session || busy.has(session)) return
    busy.add(session)
    const began = performance.now()
    const answer = await acts[asked % acts.length]?.(session)
    took.push(performance.now() - began)
    if (answer?.status !== 200) failed.push(answer ?? { outcome: 'unknown', status: 0, body: {} })
    busy.delete(session)
  }
  const under = new Set<Promise<void>>()
  const timer = setInterval(() => {
    const one = ask().finally(() => under.delete(one))
    under.add(one)
  }, 1_000 / rate)
  return {
    asked: () => took.length,
    failed,
    took,
    async end() {
      clearInterval(timer)
      await Promise.all(under)
    },
  }
}

const words = (failed: readonly Answer[]) =>
  [...new Set(failed.map(({ status, body }) => `${status} ${body.error ?? ''}`))].join(', ')
