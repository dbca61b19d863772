import { type Message, textsOf } from './postgres-wire.ts'

/** The text of a message that says a statement. */
export function statementOf({ type, body }: Message): string | undefined {
  if (type === 'Q') return textsOf(body)[0]
  return type === 'P' ? textsOf(body)[1] : undefined
}

const staying: readonly (readonly [RegExp, string])[] = [
  [/^\s*SET\s+(?!LOCAL\b|CONSTRAINTS\b|TRANSACTION\b)/i, 'SET'],
  [/^\s*(LISTEN|PREPARE|DEALLOCATE|DISCARD|RESET|LOAD)\b/i, 'a statement about the session'],
  [/\bpg_(try_)?advisory_lock(_shared)?\s*\(/i, 'a lock of the session'],
  [/^\s*CREATE\s+(LOCAL\s+|GLOBAL\s+)?TEMP/i, 'a temporary table'],
  [/\bWITH\s+HOLD\b/i, 'a cursor of the session'],
  [/\bset_config\s*\([^)]*false\s*\)/i, 'a setting of the session'],
]

/** What of a message would stay in a session, and there be another's, or lost. */
export function faultOf({ type, body }: Message, text: string): string | undefined {
  if (type === 'P' && textsOf(body)[0] !== '') return `a named statement: ${text}`
  for (const part of text.split(';')) {
    const found = staying.find(([pattern]) => pattern.test(part))
    if (found) return `${found[1]}: ${part.trim()}`
  }
  return undefined
}
