import { parseArgs, styleText } from 'node:util'
import { randomFrom } from '../support/random.ts'
import type { Report, Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'

// Puts faults on real gateways and compares what they answered with what is true afterwards (docs/reliability.md).
//   npm run torture                                         everything
//   npm run torture -- --only kill,disk-full --rounds 200 --seed 7
// Exit code 0 if nothing was wrong.

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string' },
    seed: { type: 'string', default: String(process.pid) },
  },
})
const chosen = chooseFrom(values.only?.split(','))
let wrong = 0
let skipped = 0

const report: Report = {
  check(isGood, words) {
    console.log(`${isGood ? styleText('green', 'ok   ') : styleText('red', 'WRONG')} ${words}`)
    if (!isGood) wrong++
  },
  note: (words) => console.log(`      ${words}`),
  skip(words) {
    console.log(`${styleText('yellow', 'SKIPPED')} ${words}`)
    skipped++
  },
}

for (const { name, about, rounds, run } of chosen) {
  console.log(`\n${styleText('bold', name)}: ${about} (seed ${values.seed})`)
  const next = randomFrom(Number(values.seed))
  const began = performance.now()
  try {
    await run({
      rounds: Number(values.rounds ?? rounds),
      random: () => next(1_000_000) / 1_000_000,
      report,
    })
  } catch (error) {
    report.check(false, `${name} broke off: ${error instanceof Error ? error.stack : error}`)
  }
  report.note(`${Math.round((performance.now() - began) / 1000)} s`)
}
console.log(
  `\n${chosen.length} scenarios, ${wrong} things wrong${skipped > 0 ? `, ${skipped} could not be tried here` : ''}`,
)
process.exitCode = wrong === 0 ? 0 : 1

function chooseFrom(names: readonly string[] | undefined): readonly Scenario[] {
  if (names === undefined) return scenarios
  return names.map((name) => {
    const found = scenarios.find((scenario) => scenario.name === name)
    if (!found)
      throw new Error(`no scenario ${name}; there are ${scenarios.map((each) => each.name).join(', ')}`)
    return found
  })
}
