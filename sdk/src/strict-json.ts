export type ReadJson =
  | { readonly outcome: 'read'; readonly value: unknown }
  | { readonly outcome: 'refused'; readonly says: string }

/** Deeper than arguments of tools are, and little enough for whatever walks them. */
const deepest = 100
const tooDeep = 'The body is nested too deeply'

/**
 * Reads JSON where RFC 8259 leaves readers no choice: UTF-8 without a byte order mark (section 8.1), every name of an
 * object once (section 4), no number that a double cannot hold (section 6). What was judged here is read once more by the
 * server behind, which must find the same.
 */
export function readStrictJson(bytes: Uint8Array): ReadJson {
  const text = decode(bytes)
  if (text === undefined) return refused('The body is not text in UTF-8')
  if (text.startsWith('\ufeff')) return refused('The body begins with a byte order mark')
  const value = parse(text)
  if (value === undefined) return refused('The body is not JSON')
  const says = faultOfText(text) ?? faultOfValue(value)
  return says === undefined ? { outcome: 'read', value } : refused(says)
}

/** The same for what a body parser has read already: names that came twice are gone, and nobody reads them again. */
export function acceptParsed(value: unknown): ReadJson {
  const says = faultOfValue(value)
  return says === undefined ? { outcome: 'read', value } : refused(says)
}

const refused = (says: string): ReadJson => ({ outcome: 'refused', says })

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const sign = /["{}[\],:]|\\./g

/** Signs and whole texts in their order. No text is one match: a long one would take more than the stack of the matcher. */
function* signsAndTexts(text: string): Generator<string> {
  let from: number | undefined
  for (const { 0: found, index } of text.matchAll(sign)) {
    if (found !== '"') {
      if (from === undefined) yield found
    } else if (from === undefined) from = index
    else {
      yield text.slice(from, index + 1)
      from = undefined
    }
  }
}

/** `text` is JSON, so that its signs say where the names stand. */
function faultOfText(text: string): string | undefined {
  // The names of every object that is open; undefined stands for a list.
  const open: (Set<string> | undefined)[] = []
  let mayBeName = false
  for (const found of signsAndTexts(text)) {
    if (found === '{') open.push(new Set())
    else if (found === '[') open.push(undefined)
    else if (found === '}' || found === ']') open.pop()
    else if (mayBeName && found.startsWith('"')) {
      const names = open.at(-1)
      const name: string = found.includes('\\') ? JSON.parse(found) : found.slice(1, -1)
      if (names?.has(name)) return 'The body has a name twice in one object'
      names?.add(name)
    }
    if (open.length > deepest) return tooDeep
    mayBeName = found === '{' || found === ','
  }
  return undefined
}

/** Level by level: what is nested deeper than a stack would not be walked by calls. */
function faultOfValue(value: unknown): string | undefined {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepest) return tooDeep
    // What is infinite to one reader is `null` to the next.
    if (level.some((each) => typeof each === 'number' && !Number.isFinite(each))) {
      return 'The body has a number that is too large'
    }
    const objects = level.filter((each): each is object => typeof each === 'object' && each !== null)
    // Copied from one object to another, it would become what the other inherits from.
    if (objects.some((each) => Object.hasOwn(each, '__proto__')))
      return 'The body has a name that is not allowed'
    level = objects.flatMap((each): unknown[] => Object.values(each))
  }
  return undefined
}
