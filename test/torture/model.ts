import { pick, type Random } from './scenario.ts'
import type { Answer } from './send.ts'

/**
 * Something that is in one state at a time, and all that anybody was told of it. While every answer arrives it can only
 * be in the state that was answered last; where an answer was cut off it may be in several, until somebody looks.
 */
export type Fact<State extends string = string> = {
  name: string
  possible: ReadonlySet<State>
  /** Monotonic milliseconds of the last answer about it. */
  answeredAt: number
  /** Whether anybody asked for a change since it was last compared with what is true. */
  isTouched: boolean
  /** Asks the gateway how it is; `undefined` where it does not say. */
  look: () => Promise<State | undefined>
}

/** What a fact is asked to become. */
export type Change = { fact: Fact; to: string }

/** Changes whose answer was cut off: all have come about, or none. */
type Doubt = { what: string; changes: readonly Change[] }

export type Model = {
  facts: Fact[]
  doubts: Doubt[]
  /** What cannot be, in words. */
  wrong: string[]
  /** How many requests came to what. */
  answers: Record<Answer['outcome'], number>
  /** When something was broken, in seconds since 1970 as the provider counts them. */
  faults: { from: number; to: number }[]
  /** Upstream tokens handed out, by the ticket they were handed out for. */
  released: Map<string, number>
}

/** Milliseconds after which what one gateway answered is true at all of them. */
const spreads = 1_000

export function createModel(): Model {
  return {
    facts: [],
    doubts: [],
    wrong: [],
    answers: { acknowledged: 0, refused: 0, unknown: 0 },
    faults: [],
    released: new Map(),
  }
}

/** Something that was just acknowledged to be so. */
export function learn<State extends string>(
  model: Model,
  { name, state, look }: { name: string; state: State; look: () => Promise<State | undefined> },
): Fact<State> {
  const fact: Fact<State> = {
    name,
    possible: new Set([state]),
    answeredAt: performance.now(),
    isTouched: true,
    look,
  }
  model.facts.push(fact)
  return fact
}

export const becomes = <State extends string>(fact: Fact<State>, to: State): Change => ({ fact, to })

/** Asks for changes that come about together, and remembers what was answered. Nobody else asks for them meanwhile. */
export async function change(
  model: Model,
  { what, changes }: Doubt,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  forgetDoubts(model, changes)
  const before = changes.map(({ fact }) => fact.possible)
  const asked = new Set(changes.map(({ fact }) => fact))
  // What is asked for anew says nothing any more about what was in doubt before.
  for (const doubt of model.doubts) doubt.changes = doubt.changes.filter(({ fact }) => !asked.has(fact))
  for (const { fact, to } of changes) touch(fact, [...fact.possible, to])
  const answer = await ask()
  model.answers[answer.outcome]++
  switch (answer.outcome) {
    case 'acknowledged':
      for (const { fact, to } of changes) touch(fact, [to])
      break
    case 'refused':
      for (const [index, { fact }] of changes.entries()) touch(fact, before[index] ?? [])
      break
    case 'unknown':
      // What may have been so before says nothing about this change.
      model.doubts.push({ what, changes: changes.filter(({ to }, index) => !before[index]?.has(to)) })
  }
  return answer
}

/** What is changed once more says nothing about the change before. */
function forgetDoubts({ doubts }: Model, changes: readonly Change[]): void {
  const facts = new Set(changes.map(({ fact }) => fact))
  for (const doubt of doubts) doubt.changes = doubt.changes.filter(({ fact }) => !facts.has(fact))
}

/** Compares a fact with what somebody saw of it; from then on it is known. */
export function observe<State extends string>(
  model: Model,
  fact: Fact<State>,
  seen: State,
  how: string,
): void {
  if (!fact.possible.has(seen)) {
    if (performance.now() - fact.answeredAt < spreads) return
    const told = [...fact.possible].join(' or ')
    model.wrong.push(`${fact.name} is ${seen} by ${how}, and was answered to be ${told}`)
  }
  fact.possible = new Set([seen])
}

/** Facts that nobody touched and that are looked at all the same, each time. */
const others = 10
const looksAtOnce = 8

/**
 * Compares what was answered with what is true, while nobody asks for any change. Looks at whatever was touched since
 * the last time and at some others; or at everything.
 */
export async function compare(model: Model, random: Random, extent: 'touched' | 'all'): Promise<number> {
  const { facts } = model
  const some = facts.length === 0 ? [] : Array.from({ length: others }, () => pick(facts, random))
  const chosen = extent === 'all' ? [...facts] : facts.filter(({ isTouched }) => isTouched).concat(some)
  const queue = [...new Set(chosen)]
  const inTurn = async () => {
    for (let fact = queue.pop(); fact; fact = queue.pop()) {
      const seen = await fact.look()
      fact.isTouched = false
      if (seen === undefined) model.wrong.push(`nobody says how ${fact.name} is`)
      else observe(model, fact, seen, 'looking')
    }
  }
  const count = queue.length
  await Promise.all(Array.from({ length: looksAtOnce }, inTurn))
  judgeDoubts(model)
  return count
}

/** When every fact is known: changes that come about together came about for all or for none. */
function judgeDoubts(model: Model): void {
  for (const { what, changes } of model.doubts.splice(0)) {
    const done = changes.filter(({ fact, to }) => fact.possible.has(to))
    if (done.length > 0 && done.length < changes.length)
      model.wrong.push(`${what} was done by half: ${done.length} of ${changes.length} changes`)
  }
}

function touch(fact: Fact, possible: Iterable<string>): void {
  fact.possible = new Set(possible)
  fact.answeredAt = performance.now()
  fact.isTouched = true
}
