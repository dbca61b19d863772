import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { broken } from '../faults.ts'
import type { Model } from '../model.ts'
import { inRounds } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { send } from '../send.ts'
import { tokenRoute } from '../stage.ts'
import {
  askIntrospection,
  introspect,
  presentToken,
  refresh,
  revoke,
  type Scene,
  type Session,
} from '../things/session.ts'
import { enter } from '../things/sign-in.ts'

const hour = 3_600
const jumps = {
  'back by 2 hours': -2 * hour,
  'ahead by 2 hours': 2 * hour,
  'ahead by 400 days': 400 * 24 * hour,
}
/** Milliseconds for which the clock is wrong: chores look every second whether they are due. */
const wrongFor = 3_000

export const clock: Scenario = {
  name: 'clock',
  about:
    'the clock jumps −2 h, +2 h and +400 d and back: nothing ended comes back, nobody is signed out by it',
  rounds: 3,
  async run(setting) {
    const folder = mkdtempSync(join(tmpdir(), 'coatcheck-clock-'))
    const file = join(folder, 'seconds')
    const turn = (seconds: number) => writeFileSync(file, String(seconds).padEnd(16))
    turn(0)
    const preload = `--import=${new URL('../preloads/clock.ts', import.meta.url)}`
    const most = { refreshes: 0, sessions: 0 }
    try {
      await inRounds({
        ...setting,
        stage: { node: [preload], env: { TORTURE_CLOCK: file } },
        async fault(scene, round, load) {
          // What is answered while the clock is wrong is judged here, and by the model when it is right again.
          await load.pause()
          const names = Object.keys(jumps) as (keyof typeof jumps)[]
          const name = names[(round - 1) % names.length] ?? 'back by 2 hours'
          const live = await enter(scene)
          const ended = await enter(scene)
          await revoke(scene, ended)
          const before = scene.stage.provider.calls(tokenRoute).length
          await broken(scene.model, async () => {
            turn(jumps[name])
            try {
              await setTimeout(wrongFor)
              await judge(scene, name, { live, ended })
            } finally {
              turn(0)
            }
          })
          const refreshes = scene.stage.provider.calls(tokenRoute).length - before
          if (refreshes > most.refreshes)
            Object.assign(most, { refreshes, sessions: scene.model.facts.length })
          // Whatever looks at the clock once a second sees that it is right.
          await setTimeout(1_500)
          return undefined
        },
      })
      setting.report.check(
        most.refreshes <= most.sessions,
        `no storm of upstream refreshes: ${most.refreshes} at most in one jump`,
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
}

/** What must be so while the clock is wrong. */
async function judge(
  scene: Scene,
  name: keyof typeof jumps,
  { live, ended }: { live: Session; ended: Session },
): Promise<void> {
  const { stage, model } = scene
  const wrong = (isSo: boolean, words: string) => void (isSo && model.wrong.push(`clock ${name}: ${words}`))
  // Not by way of the model, which knows what is so by the true clock.
  const isActive = async (session: Session) => (await askIntrospection(stage, session)).body.active === true
  const refreshes = async (session: Session) =>
    (await presentToken(stage, session, session.refreshToken)).status === 200
  wrong(await isActive(ended), 'the access token of a session that was revoked is active')
  wrong(await refreshes(ended), 'a session that was revoked is refreshed')
  const isAhead = jumps[name] > 0
  wrong(isAhead && (await isActive(live)), 'an access token is active after its end')
  wrong(jumps[name] > 90 * 24 * hour && (await refreshes(live)), 'a refresh token works after its end')
  wrong((await send(`${stage.address()}/readyz`)).status !== 200, 'the gateway is not ready')
  await newcomer(scene, model, name)
}

/** Who comes now gets a session as good as any. */
async function newcomer(scene: Scene, { wrong }: Model, name: string): Promise<void> {
  try {
    const session = await enter(scene)
    const { body } = await introspect(scene, session)
    if (body.active !== true) wrong.push(`clock ${name}: a new session is not active`)
    const [answer] = await refresh(scene, session)
    if (answer?.status !== 200) wrong.push(`clock ${name}: a new session is not refreshed`)
    await revoke(scene, session)
  } catch (error) {
    wrong.push(`clock ${name}: ${error instanceof Error ? error.message : error}`)
  }
}
