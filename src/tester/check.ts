/** How well something is. Only errors make a server unfit. */
export type Kind = 'success' | 'warning' | 'error'

/** One thing that was looked at, and where it is written how it must be. */
export type Check = { code: string; kind: Kind; message: string; spec: string }

/** What could not be looked at, and why. */
export type Unchecked = Omit<Check, 'kind'>

export type Verdict = { kind: Kind | 'unchecked'; message: string }

/** A question to what was gathered; undefined where it does not arise. */
export type Rule<Facts> = {
  code: string
  /** The code where it is not well, for those that have two. */
  otherwise?: string
  asks: string
  /** A link into the specification. */
  spec: string
  judge(facts: Facts): Verdict | undefined
}

export type Judged = { checks: Check[]; unchecked: Unchecked[] }

export function judgeAll<Facts>(rules: readonly Rule<Facts>[], facts: Facts): Judged {
  const judged: Judged = { checks: [], unchecked: [] }
  for (const { code, otherwise = code, spec, judge } of rules) {
    const verdict = judge(facts)
    if (!verdict) continue
    const { kind, message } = verdict
    if (kind === 'unchecked') judged.unchecked.push({ code, message, spec })
    else judged.checks.push({ code: kind === 'success' ? code : otherwise, kind, message, spec })
  }
  return judged
}

const verdict = (kind: Verdict['kind']) => (message: string) => ({ kind, message })

export const success = verdict('success')
export const warning = verdict('warning')
export const error = verdict('error')
export const unchecked = verdict('unchecked')
