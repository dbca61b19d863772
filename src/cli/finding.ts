import { styleText } from 'node:util'
import { AdminApiError } from './admin-api.ts'
import type { Screen } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/**
 * What was looked at and found. `wrong`: it does not work, or not safely. `note`: it works, and somebody should know.
 * `unchecked`: it could not be looked at, and why. Whatever is not well says what to do.
 */
export type Finding = { about: string; message: string } & (
  | { state: 'ok' }
  | { state: 'wrong' | 'note' | 'unchecked'; advice: string }
)

export type State = Finding['state']

/** Findings about one thing. */
export function about(thing: string) {
  const unwell =
    (state: 'wrong' | 'note' | 'unchecked') =>
    (message: string, advice: string): Finding => ({ about: thing, state, message, advice })
  return {
    ok: (message: string): Finding => ({ about: thing, state: 'ok', message }),
    wrong: unwell('wrong'),
    note: unwell('note'),
    unchecked: unwell('unchecked'),
  }
}

/** What cannot be asked for is itself a finding; what an administrator may not ask for is no fault of the gateway's. */
export async function attempt(thing: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  const { wrong, unchecked } = about(thing)
  try {
    return await check()
  } catch (error) {
    if (error instanceof UsageError)
      return [unchecked('it needs an administrator’s credential', error.message)]
    if (!(error instanceof AdminApiError)) throw error
    switch (error.problem?.status) {
      case 401:
        return [
          wrong(
            'the administrator’s credential is refused',
            'Is it that of this gateway? --token-file or --user says which to use.',
          ),
        ]
      case 403:
        return [
          unchecked(
            'this administrator may only read',
            'Ask with the token, or as an administrator who may write.',
          ),
        ]
      default:
        return [wrong(error.fault, error.advice ?? 'See the gateway’s log, which says more.')]
    }
  }
}

/** The findings as a person reads them, no line wider than the screen. */
export function report(found: readonly Finding[], screen: Screen): string {
  return [findingLines(found, screen), '', verdict(found)].join('\n')
}

/** The same without the verdict. */
export function findingLines(found: readonly Finding[], screen: Screen): string {
  return found.flatMap((each) => linesOf(each, screen)).join('\n')
}

const margin = 'unchecked  '.length

function linesOf(finding: Finding, { columns, isColored }: Screen): string[] {
  const width = Math.max(20, (columns ?? Number.POSITIVE_INFINITY) - margin)
  const paint = (format: Parameters<typeof styleText>[0], text: string) =>
    isColored ? styleText(format, text, { validateStream: false }) : text
  const [first = '', ...more] = wrapped(`${finding.about}: ${finding.message}`, width)
  const advice = finding.state === 'ok' ? [] : wrapped(finding.advice, width - 2)
  return [
    paint(colors[finding.state], finding.state.padEnd(margin)) +
      paint('bold', first.slice(0, finding.about.length)) +
      first.slice(finding.about.length),
    ...more.map((line) => ' '.repeat(margin) + line),
    ...advice.map((line, index) => ' '.repeat(margin) + (index === 0 ? '→ ' : '  ') + line),
  ]
}

const colors = { ok: 'green', wrong: 'red', note: 'yellow', unchecked: 'cyan' } as const

/** Lines of at most so many characters, as far as words allow. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** What the findings come to, in a sentence. */
export function verdict(found: readonly Finding[]): string {
  const count = (state: State) => found.filter((each) => each.state === state).length
  const [wrong, notes, unchecked] = [count('wrong'), count('note'), count('unchecked')]
  const also = [
    ...(notes > 0 ? [notes === 1 ? 'one note' : `${notes} notes`] : []),
    ...(unchecked > 0 ? [`${unchecked} not checked`] : []),
  ]
  const said =
    wrong === 0 ? 'Nothing is wrong' : wrong === 1 ? 'One thing is wrong' : `${wrong} things are wrong`
  return `${[said, ...also].join('; ')}.`
}
