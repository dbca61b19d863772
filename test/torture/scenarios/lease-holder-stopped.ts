import { setTimeout } from 'node:timers/promises'
import type { ChildGateway } from '../../support/child-gateway.ts'
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
import { tokenRoute } from '../stage.ts'
import type { Session } from '../things/session.ts'

const people = 20
/** Seconds; a lease is held for five more than both together. */
const limits = { upstream_deadline: 3, discovery_deadline: 1, upstream_refresh_deadline: 15 }

export const leaseHolderStopped: Scenario = {
  name: 'lease-holder-stopped',
  about: `SIGSTOP of a gateway with the answers to ${people} upstream refreshes on their way, for longer than its leases: it overwrites nothing`,
  rounds: 3,
  async run({ rounds, random, report }) {
    const stage = { upstreamLifetime: 3600, limits }
    await withReplicas({ random, stage }, async (scene) => {
      const sessions = await enterPeople(scene, people)
      const count = { moved: 0, twice: 0, kept: 0, once: 0 }
      const takenOver: number[] = []
      for (let round = 0; round < rounds; round++) {
        const victim = pick(scene.replicas, random)
        const seen = await stopHolder(scene, sessions, victim)
        takenOver.push(...seen.takenOver)
        count.moved += seen.takenOver.length
        count.twice += seen.sentTwice
        const tokens = await tokensAt(scene, sessions)
        count.kept += tokens.filter(
          (each, index) => each === `${seen.tokens[index]} ${seen.tokens[index]}`,
        ).length
        count.once += await refreshOnce(scene, sessions)
      }
      const all = rounds * people
      report.check(
        count.moved === all,
        `${count.moved} of ${all} got tokens by the other gateway: ${spread(takenOver)}`,
      )
      report.check(
        count.twice === all,
        `${count.twice} of ${all} refresh tokens sent exactly twice, once by each`,
      )
      report.check(
        count.kept === all,
        `${count.kept} of ${all} tokens are the other one's, at both, after SIGCONT`,
      )
      report.check(
        count.once === all,
        `${count.once} of ${all} refreshed by exactly one refresh the next time`,
      )
    })
  },
}

/** Stops a gateway that has sent everybody's refresh token, lets the other take over, and lets it go on. */
async function stopHolder(scene: Replicas, sessions: readonly Session[], victim: ChildGateway) {
  const { stage, database, replicas } = scene
  const other = replicas.find((each) => each !== victim) ?? victim
  const { control } = stage.provider
  await endTokens(database, sessions)
  const mark = markOf(stage)
  // It is rotated there; only the answers wait.
  control.script({ on: tokenRoute, times: 'always', effect: { kind: 'hold', when: 'after' } })
  const asked = sessions.map((session) => askAt(victim, stage, session))
  await stage.provider.arrived(tokenRoute, mark + sessions.length)
  const pid = victim.pid() ?? 0
  process.kill(pid, 'SIGSTOP')
  control.clearScripts()
  control.release()
  const began = performance.now()
  const takenOver: number[] = []
  const tokens = await Promise.all(
    sessions.map(async (session) => {
      const token = await untilToken(scene, other, session)
      if (token !== undefined) takenOver.push(performance.now() - began)
      return token
    }),
  )
  process.kill(pid, 'SIGCONT')
  await Promise.all(asked)
  const sent = sentSince(stage, mark)
  const times = (token: string) => sent.filter((each) => each === token).length
  const sentTwice = [...new Set(sent)].filter((token) => times(token) === 2).length
  return { takenOver, tokens, sentTwice }
}

async function untilToken({ stage }: Replicas, gateway: ChildGateway, session: Session) {
  for (let tries = 0; tries < 60; tries++) {
    const { status, body } = await askAt(gateway, stage, session)
    if (status === 200) return String(body.access_token)
    await setTimeout(500)
  }
  return undefined
}

/** What both gateways answer for each. */
async function tokensAt({ stage, replicas }: Replicas, sessions: readonly Session[]): Promise<string[]> {
  const [first, second] = await Promise.all(
    replicas.map((replica) => Promise.all(sessions.map((session) => askAt(replica, stage, session)))),
  )
  return sessions.map(
    (_, index) => `${first?.[index]?.body.access_token} ${second?.[index]?.body.access_token}`,
  )
}

/** How many are refreshed by one refresh, with a token that was not used before. */
async function refreshOnce(scene: Replicas, sessions: readonly Session[]): Promise<number> {
  await endTokens(scene.database, sessions)
  const mark = markOf(scene.stage)
  const before = new Set(sentSince(scene.stage, 0))
  const tokens = await tokensAt(scene, sessions)
  const sent = sentSince(scene.stage, mark)
  const isNew = sent.length === new Set(sent).size && sent.every((token) => !before.has(token))
  return isNew && sent.length === sessions.length
    ? tokens.filter((each) => !each.includes('undefined')).length
    : 0
}
