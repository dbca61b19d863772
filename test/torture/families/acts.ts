import { setTimeout } from 'node:timers/promises'
import type { ChildGateway } from '../../support/child-gateway.ts'
import { pick } from '../scenario.ts'
import {
  type Asked,
  accessLifetime,
  deadline,
  leaseLifetime,
  type Person,
  type Stage,
  type Temper,
  tempers,
  tokenRoute,
} from './stage.ts'

/** Every refresh token a provider was ever sent, in order. */
export function sentTo({ providers }: Stage, temper: Temper): string[] {
  return providers[temper]
    .calls(tokenRoute)
    .map(({ body }) => (body as Record<string, unknown>).refresh_token)
    .filter((token) => typeof token === 'string')
}

/** Everybody's token has ended. */
const expiry = () => setTimeout((accessLifetime + 1) * 1000)

/** Asks for somebody until the answer is one that stays. */
async function settle(stage: Stage, person: Person, gateway: ChildGateway): Promise<Asked | undefined> {
  let answer: Asked | undefined
  for (let tries = 0; tries < 30; tries++) {
    answer = await stage.ask(person, gateway)
    if (answer?.status === 200 || answer?.status === 424) return answer
    await setTimeout(500)
  }
  return answer
}

export type Crashes = Record<
  Temper,
  { killed: number; recovered: number; flagged: number; sentAgain: number[] }
>

/**
 * Kills a gateway that has sent everybody's refresh token and not yet the whole answer, while the provider has
 * rotated it; then the other gateway is asked.
 */
export async function crash(stage: Stage, people: readonly Person[]): Promise<Crashes> {
  const [doomed, other] = stage.gateways
  await expiry()
  for (const temper of tempers) {
    const mine = people.filter((person) => person.temper === temper)
    // A provider is asked by so many at once.
    for (let from = 0; from < mine.length; from += 50) {
      const batch = mine.slice(from, from + 50)
      const provider = stage.providers[temper]
      const before = provider.calls(tokenRoute).length
      const effect = { kind: 'drip', bytes: 1, milliseconds: 60_000 } as const
      provider.control.script({ on: tokenRoute, times: 'always', effect })
      const asked = batch.map((person) => stage.ask(person, doomed))
      await provider.arrived(tokenRoute, before + batch.length)
      await doomed.crash()
      provider.control.clearScripts()
      await Promise.all(asked)
    }
  }
  await setTimeout(leaseLifetime * 1000)
  const empty = () => ({ killed: 0, recovered: 0, flagged: 0, sentAgain: [] as number[] })
  const outcome: Crashes = { lenient: empty(), strict: empty() }
  const first = { lenient: sentTo(stage, 'lenient'), strict: sentTo(stage, 'strict') }
  const answers = await Promise.all(people.map((person) => settle(stage, person, other)))
  for (const [index, { temper }] of people.entries()) {
    outcome[temper].killed++
    if (answers[index]?.status === 200) outcome[temper].recovered++
    if (answers[index]?.status === 424) outcome[temper].flagged++
  }
  for (const temper of tempers) {
    const unanswered = new Set(first[temper].slice(-outcome[temper].killed))
    const later = sentTo(stage, temper).slice(first[temper].length)
    outcome[temper].sentAgain = [...unanswered].map((token) => later.filter((each) => each === token).length)
  }
  return outcome
}

export type Rounds = {
  rounds: number
  answered: number
  kills: number
  refreshes: number
  /** Answers that came later than anybody waited for. */
  late: number
  /** Refresh tokens sent again although the provider had failed nobody, and no lease had ended. */
  repeated: number
  /** People whose family ended though every answer was received by a gateway that lived. */
  lost: string[]
  /** People whose family ended where a gateway was killed with the answer in its hands: nobody can know it. */
  unknowable: number
}

const callersEach = 6

/** Rounds in which everybody's token has ended and many ask for it at once, by both gateways, while things go wrong. */
export async function play(
  stage: Stage,
  people: readonly Person[],
  { rounds, random }: { rounds: number; random: () => number },
): Promise<Rounds> {
  const result: Rounds = {
    rounds: 0,
    answered: 0,
    kills: 0,
    refreshes: 0,
    late: 0,
    repeated: 0,
    lost: [],
    unknowable: 0,
  }
  const sentInKill = new Set<string>()
  /** What was sent in the round before may still be on its way. */
  let sentBefore: string[] = []
  const before = tempers.map((temper) => sentTo(stage, temper).length)
  while (result.rounds < rounds) {
    await expiry()
    const marks = { lenient: sentTo(stage, 'lenient').length, strict: sentTo(stage, 'strict').length }
    const isQuiet = random() < 0.3
    const willKill = !isQuiet && random() < 0.4
    if (!isQuiet) result.late += spoil(stage, willKill ? ['lenient'] : tempers, random)
    const asked = people.flatMap((person) =>
      Array.from({ length: callersEach }, () => stage.ask(person, pick(stage.gateways, random))),
    )
    if (willKill) {
      await setTimeout(random() * 400)
      await pick(stage.gateways, random).crash()
      result.kills++
    }
    const answers = await Promise.all(asked)
    result.answered += answers.filter((answer) => answer?.status === 200).length
    result.rounds += people.length
    if (willKill) for (const token of sentBefore) sentInKill.add(token)
    sentBefore = []
    for (const temper of tempers) {
      stage.providers[temper].control.clearScripts()
      const sent = sentTo(stage, temper).slice(marks[temper])
      if (willKill) for (const token of sent) sentInKill.add(token)
      sentBefore.push(...sent)
      // Nothing went wrong there that would let a token be sent again before a lease has ended.
      if (isQuiet || (willKill && temper === 'strict')) result.repeated += sent.length - new Set(sent).size
    }
    if (willKill) await setTimeout(leaseLifetime * 1000)
  }
  result.refreshes = tempers.reduce(
    (sum, temper, index) => sum + sentTo(stage, temper).length - (before[index] ?? 0),
    0,
  )
  await judge(stage, people, { result, sentInKill })
  return result
}

async function judge(
  stage: Stage,
  people: readonly Person[],
  { result, sentInKill }: { result: Rounds; sentInKill: ReadonlySet<string> },
): Promise<void> {
  await setTimeout(leaseLifetime * 1000)
  const ends = await Promise.all(people.map((person) => settle(stage, person, stage.gateways[1])))
  const dead = people.filter((_, index) => ends[index]?.status !== 200)
  // What a killed gateway had sent is sent once more, and a strict provider ends the family if it had arrived.
  const sent = sentTo(stage, 'strict').filter((token) => sentInKill.has(token))
  result.unknowable = sent.length - new Set(sent).size
  const deadStrict = dead.filter(({ temper }) => temper === 'strict').map(({ name }) => name)
  const deadLenient = dead.filter(({ temper }) => temper === 'lenient').map(({ name }) => name)
  result.lost = [...deadLenient, ...deadStrict.slice(result.unknowable)]
}

/**
 * Slow answers, outages, and connections that break; where it is forgiven, also answers that get lost. Returns how many
 * are slower than anybody waits for.
 */
function spoil({ providers }: Stage, which: readonly Temper[], random: () => number): number {
  let late = 0
  for (const temper of which) {
    for (let count = 0; count < 12; count++) {
      const effects = [
        { kind: 'delay', milliseconds: Math.floor(random() * 600) },
        // It rotates at once, and takes its time to say so.
        { kind: 'drip', bytes: 1_500, milliseconds: (deadline + 1) * 1000 },
        { kind: 'respond', status: 502, body: 'no' },
        { kind: 'respond', status: 429, headers: { 'retry-after': '1' }, body: '' },
        { kind: 'drop', when: 'before' },
        ...(temper === 'lenient'
          ? ([
              { kind: 'drop', when: 'after' },
              { kind: 'truncate', bytes: 40 },
            ] as const)
          : []),
      ] as const
      const effect = pick(effects, random)
      if (effect.kind === 'drip') late++
      providers[temper].control.script({ on: tokenRoute, skip: Math.floor(random() * 30), effect })
    }
  }
  return late
}
