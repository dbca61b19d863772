import type { Fault } from './schema-faults.ts'

/** Deeper than anything that means something here; what walks a document must not run out of stack. */
const deepest = 32

/** Text that PostgreSQL cannot hold, in the names or values of a document: a zero character, half a surrogate pair. */
export function unstorableText(value: unknown, path: readonly PropertyKey[] = []): Fault[] {
  if (typeof value === 'string')
    return isStorable(value) ? [] : [{ path, message: 'holds characters that are not text' }]
  if (typeof value !== 'object' || value === null) return []
  if (path.length === deepest) return [{ path, message: 'is nested too deeply' }]
  return Object.entries(value).flatMap(([name, member]) => [
    // Such a name is not repeated.
    ...(isStorable(name) ? [] : [{ path, message: 'holds characters that are not text' }]),
    ...unstorableText(member, [...path, name]),
  ])
}

const isStorable = (text: string) => text.isWellFormed() && !text.includes('\0')
