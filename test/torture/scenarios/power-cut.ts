import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Disk, makeDisk } from '../disks.ts'
import { broken, readyAgain } from '../faults.ts'
import { inRounds, without } from '../rounds.ts'
import { pick, type Report, type Scenario, type Setting } from '../scenario.ts'

/** Rounds in which a database that does not sync must have lost something. */
const controlRounds = 3

export const powerCut: Scenario = {
  name: 'power-cut',
  about:
    'the power fails under mixed load: what was not synced is gone, and nothing acknowledged was among it',
  rounds: 15,
  async run(setting) {
    await onDisk(setting.report, async (disk) => await cutAgainAndAgain(setting, disk))
    await onDisk(setting.report, async (disk) => await control(setting, disk))
  },
}

async function onDisk(report: Report, act: (disk: Disk) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-power-'))
  let disk: Disk
  try {
    disk = makeDisk(folder)
  } catch (error) {
    rmSync(folder, { recursive: true })
    return report.skip(
      `no disk can be made in a file here, so no power was cut: ${String(error).split('\n')[0]}`,
    )
  }
  try {
    await act(disk)
  } finally {
    disk.remove()
    rmSync(folder, { recursive: true })
  }
}

async function cutAgainAndAgain(setting: Setting, disk: Disk, node: readonly string[] = []): Promise<void> {
  await inRounds({
    ...setting,
    stage: { databaseUrl: `sqlite:${join(disk.mount, 'coatcheck.db')}`, node },
    async fault({ stage, model }) {
      const gateway = pick(stage.gateways, setting.random)
      const pid = gateway.pid()
      if (pid === undefined) throw new Error('no gateway runs')
      return await broken(model, async () => {
        // Everything anybody was told before this moment has to be on the photograph.
        process.kill(pid, 'SIGSTOP')
        disk.photograph()
        await gateway.kill('SIGKILL')
        disk.cut()
        return await without(stage, gateway, () => readyAgain(gateway))
      })
    },
  })
}

/** The same with a database that does not sync its commits: if nothing is lost then, the rig proves nothing. */
async function control(setting: Setting, disk: Disk): Promise<void> {
  const losses: string[] = []
  const report: Report = {
    check: (isGood, words) => void (isGood || losses.push(words)),
    note: () => {},
    skip: setting.report.skip,
  }
  const careless = `--import=${new URL('../preloads/careless.ts', import.meta.url)}`
  const run = cutAgainAndAgain({ ...setting, report, rounds: controlRounds }, disk, [careless])
  await run.catch((error: unknown) => losses.push(String(error)))
  setting.report.check(
    losses.length > 0,
    `the same with synchronous=NORMAL loses something: ${losses.length} things were wrong in ${controlRounds} cuts`,
  )
}
