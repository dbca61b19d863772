import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { broken, readyAgain, untilReady } from '../faults.ts'
import { inRounds, without } from '../rounds.ts'
import { checkTimes, pick, type Report, type Scenario } from '../scenario.ts'

const failing = { from: 10, to: 50 }
/** Milliseconds for which the disk fails. */
const failsFor = 1_500
const healsWithin = 5_000

export const ioErrors: Scenario = {
  name: 'io-errors',
  about:
    'reads, writes and syncs of the database fail, 1 to 5 in 100: nothing is said to be done that is not',
  rounds: 10,
  async run(setting) {
    const { report, random } = setting
    const folder = mkdtempSync(join(tmpdir(), 'coatcheck-faulty-'))
    const control = join(folder, 'per-mille')
    const setFaults = (perMille: number) => writeFileSync(control, littleEndian(perMille), { flag: 'r+' })
    writeFileSync(control, littleEndian(0))
    const shim = compile(folder, report)
    const healed: number[] = []
    try {
      if (shim === undefined) return
      await inRounds({
        ...setting,
        stage: { env: { LD_PRELOAD: shim, FAULTY_CONTROL: control } },
        async fault({ stage, model }, round) {
          const gateway = pick(stage.gateways, setting.random)
          return await broken(model, async () => {
            setFaults(Math.round(failing.from + random() * (failing.to - failing.from)))
            await setTimeout(failsFor)
            // Every other time also what is on the disk is looked at, and not only what the process believes.
            const isKilled = round % 2 === 0
            if (isKilled) await gateway.kill('SIGKILL')
            setFaults(0)
            if (isKilled) return await without(stage, gateway, () => readyAgain(gateway))
            healed.push(await untilReady(gateway))
            return undefined
          })
        },
      })
      checkTimes(report, 'works again without a restart', { took: healed, within: healsWithin })
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
}

/** What fails calls of the C library, or nothing where it cannot be built. */
function compile(folder: string, report: Report): string | undefined {
  const shim = join(folder, 'faulty.so')
  const source = fileURLToPath(new URL('../preloads/faulty.c', import.meta.url))
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', shim, source, '-ldl'], { stdio: 'pipe' })
    return shim
  } catch (error) {
    report.skip(`no C compiler, so no call of the disk failed: ${String(error).split('\n')[0]}`)
    return undefined
  }
}

function littleEndian(number: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(number)
  return bytes
}
