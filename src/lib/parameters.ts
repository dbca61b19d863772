/**
 * Reads query strings and form bodies (WHATWG `application/x-www-form-urlencoded`). Names live in Maps and
 * Sets, never as members of an ordinary object, so that a parameter called `__proto__` is only a parameter.
 */

export type ParameterLimits = { readonly maxParameters: number; readonly maxLength: number }

export const parameterLimits: ParameterLimits = { maxParameters: 100, maxLength: 32_768 }

export type Parameters = {
  /** The value of every name that was sent once, readably and not empty: an empty value counts as omitted. */
  readonly values: ReadonlyMap<string, string>
  /** Every readable, non-empty value of each name, in the order sent: for names that may be repeated. */
  readonly all: ReadonlyMap<string, readonly string[]>
  /** Names sent more than once, an empty value included. They are not in `values`. */
  readonly repeated: ReadonlySet<string>
  /** Names with a value that is not percent-encoded UTF-8, or has a NUL in it. They are not in `values`. */
  readonly malformed: ReadonlySet<string>
}

export type ReadParameters =
  | { readonly outcome: 'read'; readonly parameters: Parameters }
  | { readonly outcome: 'refused'; readonly reason: 'too_long' | 'too_many' }

/**
 * `raw` is a query string without its `?`, or a form body. Stricter than WHATWG in one point: a stray `%` or
 * bytes that are not UTF-8 make a value malformed, since a value that other parsers read differently must not
 * be compared or echoed. So does a NUL, which no parameter has a use for and PostgreSQL cannot store.
 */
export function readParameters(raw: string, limits: ParameterLimits = parameterLimits): ReadParameters {
  if (raw.length > limits.maxLength) return { outcome: 'refused', reason: 'too_long' }
  // Empty pairs are counted, so that they can't push others past the end of what is looked at.
  const pairs = raw.split('&', limits.maxParameters + 1)
  if (pairs.length > limits.maxParameters) return { outcome: 'refused', reason: 'too_many' }
  const seen = new Set<string>()
  const repeated = new Set<string>()
  const malformed = new Set<string>()
  const all = new Map<string, string[]>()
  for (const pair of pairs) {
    if (pair === '') continue
    const [name, value] = readPair(pair)
    if (seen.has(name)) repeated.add(name)
    seen.add(name)
    if (value === undefined) malformed.add(name)
    else if (value !== '') all.set(name, [...(all.get(name) ?? []), value])
  }
  return {
    outcome: 'read',
    parameters: { values: onceOnly(all, repeated), all, repeated, malformed },
  }
}

export type ParameterFault = { readonly name: string; readonly fault: 'repeated' | 'malformed' }

/** The first of the names a reader knows that was sent in a way no reader may guess about. */
export function findFault(parameters: Parameters, names: Iterable<string>): ParameterFault | undefined {
  for (const name of names) {
    if (parameters.malformed.has(name)) return { name, fault: 'malformed' }
    if (parameters.repeated.has(name)) return { name, fault: 'repeated' }
  }
  return undefined
}

function readPair(pair: string): readonly [name: string, value: string | undefined] {
  const split = pair.indexOf('=')
  const name = split < 0 ? pair : pair.slice(0, split)
  const value = split < 0 ? '' : pair.slice(split + 1)
  // A name that does not decode keeps its `%`, so it can never be taken for one that is known.
  const decoded = decodeFormComponent(value)
  return [decodeFormComponent(name) ?? name, decoded?.includes('\0') ? undefined : decoded]
}

/** Undefined for a stray `%` and for bytes that are not UTF-8. */
export function decodeFormComponent(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function onceOnly(
  all: ReadonlyMap<string, readonly string[]>,
  repeated: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const [name, [value]] of all) {
    if (value !== undefined && !repeated.has(name)) values.set(name, value)
  }
  return values
}
