import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { makeSmallDisk } from '../disks.ts'
import { broken, untilReady } from '../faults.ts'
import { watchHealth } from '../health.ts'
import { inRounds } from '../rounds.ts'
import { checkTimes, pick, type Scenario } from '../scenario.ts'
import { send } from '../send.ts'
import { askEverything, type Statuses, tellStatuses } from '../statuses.ts'
import { enter } from '../things/sign-in.ts'

/** Milliseconds after which everything works again once there is room. */
const healsWithin = 5_000

export const diskFull: Scenario = {
  name: 'disk-full',
  about:
    'the disk is full under load: writes are refused by 503, reads go on, and it heals without a restart',
  rounds: 3,
  async run(setting) {
    const { report } = setting
    const folder = mkdtempSync(join(tmpdir(), 'coatcheck-full-'))
    let disk: ReturnType<typeof makeSmallDisk>
    try {
      disk = makeSmallDisk(folder, '48m')
    } catch (error) {
      rmSync(folder, { recursive: true })
      return report.skip(
        `no small disk can be mounted here, so none was full: ${String(error).split('\n')[0]}`,
      )
    }
    const ballast = join(disk.mount, 'ballast')
    const health: number[] = []
    const healed: number[] = []
    const statuses: Statuses = new Map()
    try {
      await inRounds({
        ...setting,
        stage: { databaseUrl: `sqlite:${join(disk.mount, 'coatcheck.db')}` },
        async fault(scene) {
          const gateway = pick(scene.stage.gateways, setting.random)
          const session = await enter(scene)
          await broken(scene.model, async () => {
            fill(ballast)
            const watch = watchHealth(gateway)
            // The log of SQLite has room of its own, which the load uses up first.
            await untilFull(gateway)
            await askEverything(scene, session, statuses)
            rmSync(ballast)
            healed.push(await untilReady(gateway))
            health.push(...(await watch.stop()))
          })
          return undefined
        },
      })
      // Now and again the log of SQLite begins anew, in the room it has: then a write is kept, and said to be.
      tellStatuses(report, 'while the disk is full', statuses, {
        register: [503, 201],
        refresh: [503, 200],
        retrieve: [503, 200],
        readyz: [503, 200],
        introspect: [200],
        'what a session holds': [200],
        metadata: [200],
        healthz: [200],
      })
      checkTimes(report, 'works again once there is room', { took: healed, within: healsWithin })
      checkTimes(report, 'healthz meanwhile', { took: health, within: 1_000 })
    } finally {
      disk.remove()
      rmSync(folder, { recursive: true })
    }
  },
}

/** Until nothing more can be written by the gateway either. */
async function untilFull({ url }: { url: string }): Promise<void> {
  const latest = performance.now() + 30_000
  while ((await send(`${url}/readyz`)).status === 200) {
    if (performance.now() > latest) throw new Error('the disk does not get full')
    await setTimeout(50)
  }
}

/** Writes until nothing more goes in. */
function fill(file: string): void {
  for (const size of [1_048_576, 4_096]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
    } catch {
      // No more of this size.
    }
  }
}
