export type Challenge = {
  readonly scheme: string
  readonly token68?: string
  /** By lower-case name. */
  readonly parameters: ReadonlyMap<string, string>
}

export type ParsedChallenges =
  | { readonly outcome: 'parsed'; readonly challenges: readonly Challenge[] }
  /** `at` is how far it could be read. */
  | { readonly outcome: 'malformed'; readonly at: number }

const grammar = {
  scheme: /([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?= |,|$)/y,
  spaces: / +/y,
  token68: /([A-Za-z0-9\-._~+/]+=*)(?=[ \t]*(?:,|$))/y,
  parameter:
    /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[\t \x21\x23-\x5B\x5D-\x7E\x80-\xFF]|\\[\t \x21-\x7E\x80-\xFF])*)")/y,
  comma: /[ \t]*,[ \t]*/y,
  /** A comma before another parameter; one before another scheme ends the challenge. */
  nextParameter: /[ \t]*,[ \t]*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ \t]*[^\s,=])/y,
}

/** Reads `WWW-Authenticate` as RFC 9110 section 11.6.1 has it, and nothing that only resembles it. */
export function parseChallenge(value: string): ParsedChallenges {
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(value)
    if (found) at = pattern.lastIndex
    return found ?? undefined
  }
  const challenges: Challenge[] = []
  do {
    const read = readOne(take)
    if (!read) return { outcome: 'malformed', at }
    challenges.push(read)
  } while (at < value.length && take(grammar.comma))
  return at === value.length ? { outcome: 'parsed', challenges } : { outcome: 'malformed', at }
}

type Take = (pattern: RegExp) => RegExpExecArray | undefined

function readOne(take: Take): Challenge | undefined {
  const scheme = take(grammar.scheme)?.[1]
  if (scheme === undefined) return undefined
  const parameters = new Map<string, string>()
  if (!take(grammar.spaces)) return { scheme, parameters }
  const token68 = take(grammar.token68)?.[1]
  if (token68 !== undefined) return { scheme, token68, parameters }
  do {
    const found = take(grammar.parameter)
    if (!found) return undefined
    const [, name = '', token, quotedText = ''] = found
    // A parameter occurs once in a challenge (RFC 9110 section 11.2).
    if (parameters.has(name.toLowerCase())) return undefined
    parameters.set(name.toLowerCase(), token ?? quotedText.replace(/\\(.)/g, '$1'))
  } while (take(grammar.nextParameter))
  return { scheme, parameters }
}
