export type ReadJson =
  | { readonly outcome: 'read'; readonly value: unknown }
  | { readonly outcome: 'refused'; readonly says: string }

/** Deeper than anything that means something here; what walks a document must not run out of stack. */
const deepest = 32

/**
 * Reads JSON where RFC 8259 leaves readers no choice: UTF-8 without a byte order mark (section 8.1), every name of
 * an object once (section 4), none that means something to JavaScript, and no number that a double cannot hold
 * (section 6). What readers may disagree about, somebody who looked at it before us may have understood otherwise.
 */
export function readJson(bytes: Uint8Array): ReadJson {
  const text = decode(bytes)
  if (text === undefined) return { outcome: 'refused', says: 'The body is not text in UTF-8' }
  if (text.startsWith('\ufeff')) return { outcome: 'refused', says: 'The body begins with a byte order mark' }
  const value = parse(text)
  if (value === undefined) return { outcome: 'refused', says: 'The body is not JSON' }
  const says = faultOf(text)
  return says === undefined ? { outcome: 'read', value } : { outcome: 'refused', says }
}

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

const sign = /[{}[\],:]|"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g

/** What is infinite to one reader is nothing to the next, and written as `null`. */
const isTooLarge = (found: string) => /^[-\d]/.test(found) && !Number.isFinite(Number(found))

/** `text` is JSON, so that its signs say where the names stand. */
function faultOf(text: string): string | undefined {
  // The names of every object that is open; undefined stands for a list.
  const open: (Set<string> | undefined)[] = []
  let mayBeName = false
  for (const [found] of text.matchAll(sign)) {
    if (found === '{') open.push(new Set())
    else if (found === '[') open.push(undefined)
    else if (found === '}' || found === ']') open.pop()
    else if (mayBeName && found.startsWith('"')) {
      const fault = addName(open.at(-1), found)
      if (fault !== undefined) return fault
    }
    if (isTooLarge(found)) return 'The body has a number that is too large'
    if (open.length > deepest) return 'The body is nested too deeply'
    mayBeName = found === '{' || found === ','
  }
  return undefined
}

function addName(names: Set<string> | undefined, quoted: string): string | undefined {
  const name: unknown = names && JSON.parse(quoted)
  if (names === undefined || typeof name !== 'string') return undefined
  if (name === '__proto__') return 'The body has a name that is not allowed'
  if (names.has(name)) return 'The body has a name twice in one object'
  names.add(name)
  return undefined
}
