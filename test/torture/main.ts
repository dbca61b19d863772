import { parseArgs, styleText } from 'node:util'
import { limitsSchema } from '../../src/config/settings.ts'
import { randomFrom } from '../support/random.ts'
import { type Crashes, crash, play, type Rounds } from './acts.ts'
import { type Person, type Stage, setStage, type Temper, tempers } from './stage.ts'

// Two gateways on one database, killed again and again, before a provider that ends a family at the first reuse of a
// refresh token and one that forgives it for a while. Exit code 0 if no family was lost that could have been kept.

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(process.pid) },
  },
})
const rounds = Number(values.rounds)
const kills = Number(values.kills)
const peopleOfEach = 40

const faults: string[] = []
const check = (isGood: boolean, words: string) => {
  console.log(`${isGood ? styleText('green', 'ok   ') : styleText('red', 'wrong')} ${words}`)
  if (!isGood) faults.push(words)
}

console.log(`seed ${values.seed}; ${rounds} rounds, ${kills} kills at each provider`)
const stage = await setStage(new Set(Object.keys(limitsSchema.shape)))
try {
  tellCrashes(await crash(stage, await enterMany(stage, kills)))
  const people = await enterMany(stage, peopleOfEach)
  const next = randomFrom(Number(values.seed))
  tellRounds(await play(stage, people, { rounds, random: () => next(1_000_000) / 1_000_000 }))
} finally {
  await stage.stop()
}
process.exitCode = faults.length === 0 ? 0 : 1

async function enterMany(stage_: Stage, each: number): Promise<Person[]> {
  const people: Person[] = []
  for (const temper of tempers) {
    for (let count = 0; count < each; count++) people.push(await stage_.enter(temper))
  }
  return people
}

function tellCrashes(crashes: Crashes): void {
  const words = (temper: Temper, what: string, count: number) =>
    `${temper} provider: killed with the answer in its hands ${crashes[temper].killed} times, ${count} ${what}`
  const { lenient, strict } = crashes
  check(
    lenient.recovered === lenient.killed,
    words('lenient', 'recovered without the person', lenient.recovered),
  )
  check(strict.flagged === strict.killed, words('strict', 'need the person', strict.flagged))
  const once = strict.sentAgain.filter((times) => times === 1).length
  check(once === strict.killed, words('strict', 'of them after exactly one more attempt', once))
}

function tellRounds(played: Rounds): void {
  const { answered, refreshes, late, repeated, lost, unknowable } = played
  console.log(
    `      ${played.rounds} rounds, ${played.kills} kills: ${answered} tokens handed out, ${refreshes} refreshes, up to ${late} answered after everybody gave up; ${unknowable} families ended because a killed gateway took the answer with it`,
  )
  check(repeated === 0, `${repeated} refresh tokens sent twice for no reason`)
  check(lost.length === 0, `${lost.length} families lost that could have been kept ${lost.join(', ')}`)
}
