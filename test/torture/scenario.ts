import { availableParallelism, loadavg } from 'node:os'

/** One kind of fault, put on again and again, with what must be true after it. */
export type Scenario = {
  /** As `--only` names it. */
  name: string
  /** In one line: what is done, and what is promised. */
  about: string
  /** How often it is done unless `--rounds` says otherwise. */
  rounds: number
  run(setting: Setting): Promise<void>
}

export type Setting = {
  rounds: number
  /** A number from 0 to below 1, the same ones for the same seed. */
  random: () => number
  report: Report
}

/** Where a scenario says what it did and what it found. */
export type Report = {
  check(isGood: boolean, words: string): void
  note(words: string): void
  /** Says loudly that something could not be tried here; it counts as neither good nor bad. */
  skip(words: string): void
}

/** Runnable processes for each core, above which nothing here takes as long as it would for anybody. */
const busy = 4

/**
 * Whether all of it took no longer than it may. On a machine that is busy with other things it says so, and how long it
 * took, but it proves neither.
 */
export function checkTimes(
  { check, note }: Report,
  words: string,
  { took, within }: { took: readonly number[]; within: number },
): void {
  const isGood = took.length > 0 && Math.max(...took) <= within
  const [load = 0] = loadavg()
  const says = `${words}: ${spread(took)}, of ${took.length}`
  if (isGood || load <= busy * availableParallelism()) check(isGood, says)
  else
    note(`${says}; no measure: ${Math.round(load)} processes want to run on ${availableParallelism()} cores`)
}

export type Random = Setting['random']

export function pick<Choice>(choices: readonly Choice[], random: Random): Choice {
  const chosen = choices[Math.floor(random() * choices.length)]
  if (chosen === undefined) throw new Error('nothing to choose from')
  return chosen
}

/** `p50 120 ms, p99 300 ms, max 410 ms`. */
export function spread(milliseconds: readonly number[], unit = 'ms'): string {
  if (milliseconds.length === 0) return 'never measured'
  const sorted = [...milliseconds].sort((a, b) => a - b)
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return `p50 ${at(0.5)} ${unit}, p99 ${at(0.99)} ${unit}, max ${at(1)} ${unit}`
}
