import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createFlood, form, registration, type Sent, thisMachine } from '../../support/flood.ts'
import { newPkce, redirectUri } from '../../support/world.ts'
import { broken } from '../faults.ts'
import { inRounds } from '../rounds.ts'
import { pick, type Random, type Scenario, spread } from '../scenario.ts'
import { resourceUri, type Stage } from '../stage.ts'
import { refresh, retrieve, type Scene, type Session } from '../things/session.ts'
import { enter } from '../things/sign-in.ts'

/** Requests of each flood, and how many of them at once. */
const size = 3_000
const atOnce = 16
/** What a flood may add to the database, in megabytes. */
const growth = 16

export const floods: Scenario = {
  name: 'floods',
  about: 'registrations, authorizations and bad secrets from one address and from many: who is in goes on',
  rounds: 2,
  async run(setting) {
    const { report, random } = setting
    const served: Served = { took: [], failures: [] }
    const grown: number[] = []
    const statuses: Record<string, number> = {}
    await inRounds({
      ...setting,
      stage: { crowd: 'as configured', env: { COATCHECK_TRUSTED_PROXIES: thisMachine } },
      actors: 2,
      async fault(scene, round, load) {
        await load.pause()
        const victim = await enter(scene)
        const before = bytesOf(scene.stage)
        const from = round % 2 === 1 ? () => '203.0.113.7' : () => anyAddress(random)
        await broken(scene.model, async () => {
          const flood = sendFlood(scene.stage, () => attack(scene.stage, victim, random)(from()), statuses)
          await goOn(scene, victim, { until: flood, served })
        })
        grown.push((bytesOf(scene.stage) - before) / 1_048_576)
        return undefined
      },
    })
    const { took, failures } = served
    report.note(`the floods were answered ${JSON.stringify(statuses)}`)
    report.check(
      failures.length === 0,
      `a retrieval and a refresh of a client in use: ${spread(took)}, ${took.length} times; ${failures.length} failed ${[...new Set(failures)].join(', ')}`,
    )
    const megabytes = grown.map((each) => each.toFixed(1)).join(', ')
    report.check(Math.max(...grown) <= growth, `the database grew by ${megabytes} MB`)
  },
}

type Served = { took: number[]; failures: string[] }

async function sendFlood(stage: Stage, next: () => Sent, statuses: Record<string, number>): Promise<void> {
  const flood = createFlood(stage.issuer)
  let left = size
  const sending = Array.from({ length: atOnce }, async () => {
    while (left-- > 0) {
      const { status } = await flood.forwarded(next())
      statuses[status] = (statuses[status] ?? 0) + 1
    }
  })
  await Promise.all(sending)
  flood.stop()
}

/** The client and the MCP server of somebody who was there before do what they always do. */
async function goOn(
  scene: Scene,
  session: Session,
  { until, served: { took, failures } }: { until: Promise<void>; served: Served },
): Promise<void> {
  let isOver = false
  const ended = until.finally(() => {
    isOver = true
  })
  while (!isOver) {
    const began = performance.now()
    const retrieved = await retrieve(scene, session)
    const [refreshed] = await refresh(scene, session)
    took.push(performance.now() - began)
    if (retrieved.status !== 200) failures.push(`retrieval ${retrieved.status} ${retrieved.body.error_code}`)
    if (refreshed?.status !== 200) failures.push(`refresh ${refreshed?.status}`)
  }
  await ended
}

/** A request of the flood, of any kind. */
function attack(stage: Stage, victim: Session, random: Random): (from: string) => Sent {
  const authorization = new URLSearchParams({
    response_type: 'code',
    client_id: victim.client.id,
    redirect_uri: redirectUri,
    code_challenge: newPkce().challenge,
    code_challenge_method: 'S256',
    resource: resourceUri,
  })
  const guess = new URLSearchParams({
    client_id: stage.trusted.id,
    client_secret: 'guessed',
    grant_type: 'refresh_token',
    refresh_token: 'guessed',
  })
  const guessedCredential = Buffer.from(`${stage.credential.id}:guessed`).toString('base64')
  const kinds: ((from: string) => Sent)[] = [
    registration,
    (from) => ({ path: `/oauth/authorize?${authorization}`, from }),
    (from) => ({ path: '/oauth/token', from, method: 'POST', headers: form, body: String(guess) }),
    (from) => ({
      path: `/v1/token-sessions/${victim.tsid}/tokens/atlassian`,
      from,
      headers: { authorization: `Basic ${guessedCredential}` },
    }),
  ]
  return pick(kinds, random)
}

/** From a network that is there for measuring (RFC 2544). */
function anyAddress(random: Random): string {
  const byte = () => Math.floor(random() * 256)
  return `198.${18 + Math.floor(random() * 2)}.${byte()}.${byte()}`
}

function bytesOf({ folder }: Stage): number {
  const sizes = ['', '-wal'].map((suffix) => statSync(join(folder, `coatcheck.db${suffix}`)).size)
  return sizes.reduce((sum, bytes) => sum + bytes, 0)
}
