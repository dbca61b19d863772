import { copyFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { broken, readyAgain } from '../faults.ts'
import { inRounds, without } from '../rounds.ts'
import { pick, type Scenario } from '../scenario.ts'
import { send } from '../send.ts'
import type { Stage } from '../stage.ts'
import { askRegistration } from '../things/registration.ts'

const suffixes = ['', '-wal', '-shm']

/** What may become of a file while it is open; the file itself lies beside it meanwhile. */
const losses: Record<string, (file: string) => void> = {
  'moved away': () => {},
  'replaced by an empty file': (file) => writeFileSync(file, ''),
  'replaced by an old copy': (file) => copyFileSync(`${file}.old`, file),
}

export const fileLost: Scenario = {
  name: 'file-lost',
  about: 'the database file is moved away or replaced while open: not ready, and never a silent new database',
  rounds: 3,
  async run(setting) {
    const { report, random } = setting
    const outcomes: Record<string, number> = {}
    const silent: string[] = []
    await inRounds({
      ...setting,
      stage: {},
      async fault({ stage, model }, round, load) {
        const gateway = pick(stage.gateways, setting.random)
        const file = join(stage.folder, 'coatcheck.db')
        const names = Object.keys(losses)
        const name = names[(round - 1) % names.length] ?? ''
        return await broken(model, async () => {
          // Nobody is told anything that nobody could keep: what is asked now is compared with the file that comes back.
          await load.pause()
          copyFileSync(file, `${file}.old`)
          for (const suffix of suffixes) renameSync(file + suffix, `${file}.away${suffix}`)
          losses[name]?.(file)
          outcomes[name] = (outcomes[name] ?? 0) + 1
          silent.push(...(await acceptedBy(stage)).map((what) => `${what}, with the file ${name}`))
          await gateway.kill(pick(['SIGKILL', 'SIGTERM'], random))
          for (const suffix of suffixes) restore(file, suffix)
          return await without(stage, gateway, () => readyAgain(gateway))
        })
      },
    })
    for (const [name, times] of Object.entries(outcomes)) report.note(`${name}: ${times} times`)
    report.check(silent.length === 0, `nothing is accepted meanwhile: ${silent.join('; ') || 'nothing was'}`)
  },
}

/** What the gateway says it did though nothing of it can last. */
async function acceptedBy(stage: Stage): Promise<string[]> {
  const registered = await askRegistration(stage)
  // What it said is said again for as long as the second lasts.
  await setTimeout(1_100)
  const ready = await send(`${stage.address()}/readyz`)
  return [
    ...(registered.outcome === 'acknowledged' ? ['a registration was accepted'] : []),
    ...(ready.status === 200 ? ['it said it was ready'] : []),
  ]
}

function restore(file: string, suffix: string): void {
  try {
    renameSync(`${file}.away${suffix}`, file + suffix)
  } catch {
    // SQLite takes its log away itself where it is closed in order.
  }
}
