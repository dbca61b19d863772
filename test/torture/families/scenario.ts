import { limitsSchema } from '../../../src/config/settings.ts'
import type { Report, Scenario } from '../scenario.ts'
import { type Crashes, crash, play, type Rounds } from './acts.ts'
import { type Person, type Stage, setStage, type Temper, tempers } from './stage.ts'

const peopleOfEach = 40

/**
 * Two gateways on one database, killed again and again, before a provider that ends a family at the first reuse of a
 * refresh token and one that forgives it for a while.
 */
export const families: Scenario = {
  name: 'families',
  about: 'gateways killed with the answer of a provider in their hands: no family of upstream tokens is lost',
  rounds: 50,
  async run({ rounds, random, report }) {
    const stage = await setStage(new Set(Object.keys(limitsSchema.shape)))
    try {
      tellCrashes(report, await crash(stage, await enterMany(stage, rounds)))
      const people = await enterMany(stage, peopleOfEach)
      tellRounds(report, await play(stage, people, { rounds: rounds * 10, random }))
    } finally {
      await stage.stop()
    }
  },
}

async function enterMany(stage: Stage, each: number): Promise<Person[]> {
  const people: Person[] = []
  for (const temper of tempers) {
    for (let count = 0; count < each; count++) people.push(await stage.enter(temper))
  }
  return people
}

function tellCrashes({ check }: Report, crashes: Crashes): void {
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

function tellRounds({ check, note }: Report, played: Rounds): void {
  const { answered, refreshes, late, repeated, lost, unknowable } = played
  note(
    `${played.rounds} rounds, ${played.kills} kills: ${answered} tokens handed out, ${refreshes} refreshes, up to ${late} answered after everybody gave up; ${unknowable} families ended because a killed gateway took the answer with it`,
  )
  check(repeated === 0, `${repeated} refresh tokens sent twice for no reason`)
  check(lost.length === 0, `${lost.length} families lost that could have been kept ${lost.join(', ')}`)
}
