import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createFlood, form, registration, type Sent, thisMachine } from '../../support/flood.ts'
import { newPkce, redirectUri } from '../../support/world.ts'
import { broken } from '../faults.ts'
import { inRounds } from '../rounds.ts'
import { pick, type Random, type Scenario, spread } from '../scenario.ts'
import { resourceUri, type Stage } from '../stage.ts'
import { refresh, retrieve, type Session } from '../things/session.ts'
import { enter } from '../things/sign-in.ts'

/** Requests of each flood. */
const size = 3_000
/** What a flood of each kind may add to the database, in megabytes. */
const growth = 16

export const floods: Scenario = {
  name: 'floods',
  about: 'registrations, authorizations and bad secrets from one address and from many: who is in goes on',
  rounds: 2,
  async run(setting) {
    const { report, random } = setting
    const took: number[] = []
    const failures: string[] = []
    const grown: number[] = []
    const statuses: Record<string, number> = {}
    await inRounds({
      ...setting,
      stage: { crowd: 'as configured', env: { COATCHECK_TRUSTED_PROXIES: thisMachine } },
      actors: 2,
      async fault(scene, round, load) {
        const { stage, model } = scene
        await load.pause()
        const victim = await enter(scene)
        const flood = createFlood(stage.issuer)
        const isOne = round % 2 === 1
        await broken(model, async () => {
          const before = bytesOf(stage)
          const attack = inFlood(stage, victim, random)
          let left = size
          const sending = Array.from({ length: 16 }, async () => {
            while (left-- > 0) {
              const { status } = await flood.forwarded(attack(isOne ? '203.0.113.7' : anyAddress(random)))
              statuses[status] = (statuses[status] ?? 0) + 1
            }
          })
          let isOver = false
          const watching = (async () => {
            while (!isOver) {
              const began = performance.now()
              const answer = await retrieve(scene, victim)
              const [renewed] = await refresh(scene, victim)
              took.push(performance.now() - began)
              if (answer.status !== 200) failures.push(`retrieval ${answer.status} ${answer.body.error_code}`)
              if (renewed?.status !== 200) failures.push(`refresh ${renewed?.status}`)
            }
          })()
          await Promise.all(sending)
          isOver = true
          await watching
          grown.push((bytesOf(stage) - before) / 1_048_576)
        })
        flood.stop()
        return undefined
      },
    })
    report.note(`the flood was answered ${JSON.stringify(statuses)}`)
    report.check(
      failures.length === 0,
      `a retrieval and a refresh of a client in use: ${spread(took)}, ${took.length} times; ${failures.length} failed ${[...new Set(failures)].join(', ')}`,
    )
    report.check(
      Math.max(...grown) <= growth,
      `the database grew by ${grown.map((each) => each.toFixed(1)).join(', ')} MB`,
    )
  },
}

/** A request of the flood, of any kind. */
function inFlood(stage: Stage, victim: Session, random: Random): (from: string) => Sent {
  const { challenge } = newPkce()
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: victim.client.id,
    redirect_uri: redirectUri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    resource: resourceUri,
  })
  const guess = new URLSearchParams({
    client_id: stage.trusted.id,
    client_secret: 'guessed',
    grant_type: 'refresh_token',
    refresh_token: 'guessed',
  })
  const attacks = [
    (from: string) => registration(from),
    (from: string): Sent => ({ path: `/oauth/authorize?${query}`, from }),
    (from: string): Sent => ({
      path: '/oauth/token',
      from,
      method: 'POST',
      headers: form,
      body: String(guess),
    }),
    (from: string): Sent => ({
      path: `/v1/token-sessions/${victim.tsid}/tokens/atlassian`,
      from,
      headers: { authorization: `Basic ${Buffer.from(`${stage.credential.id}:guessed`).toString('base64')}` },
    }),
  ]
  return (from) => pick(attacks, random)(from)
}

const anyAddress = (random: Random) =>
  `198.${18 + Math.floor(random() * 2)}.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}`

function bytesOf({ folder }: Stage): number {
  const sizes = ['', '-wal'].map((suffix) => statSync(join(folder, `coatcheck.db${suffix}`)).size)
  return sizes.reduce((sum, size) => sum + size, 0)
}
