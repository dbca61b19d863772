import { isJson, type Json } from './admin-api.ts'
import type { Answer } from './command.ts'

/** Lines whose columns stand under one another. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_cell, index) =>
    Math.max(...rows.map((row) => row[index]?.length ?? 0)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export type Column = readonly [title: string, cell: (item: Json) => string]

/** A list as a table under its titles, and what it says where there is nothing. */
export function table(answer: Json, shown: readonly Column[], nothing: string): Answer {
  const items = itemsOf(answer)
  const rows = [shown.map(([title]) => title), ...items.map((item) => shown.map(([, cell]) => cell(item)))]
  const next = answer.next_cursor
  const more = typeof next === 'string' ? `\n\nThere are more: --cursor ${next}` : ''
  return { text: items.length === 0 ? nothing : columns(rows) + more, json: answer }
}

export function itemsOf({ items }: Json): Json[] {
  return Array.isArray(items) ? items.filter(isJson) : []
}

/** Every member of an answer on a line of its own; what is absent is left out. */
export function record(answer: Json): string {
  const rows = Object.entries(answer)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [
      name.replaceAll('_', ' '),
      name.endsWith('_at') ? timeOf(value) : wordsOf(value),
    ])
  return columns(rows)
}

/** A value as a person reads it. What came from outside may hold what a terminal would obey. */
export function wordsOf(value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'string') return printable(value)
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map((each) => wordsOf(each)).join(' ')
  return typeof value === 'object' ? printable(JSON.stringify(value)) : String(value)
}

export const member =
  (name: string) =>
  (item: Json): string =>
    wordsOf(item[name])

export const time =
  (name: string) =>
  (item: Json): string =>
    timeOf(item[name])

export function timeOf(seconds: unknown): string {
  return typeof seconds === 'number' ? new Date(seconds * 1000).toISOString().replace('.000Z', 'Z') : '-'
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{FFFD}')
}

/** What a deletion ended (docs/admin-api.md, receipts). */
export function receiptOf(answer: Json): Answer {
  const { deleted, token_sessions_ended: sessions, connections_deleted: connections } = answer
  const what = isJson(deleted)
    ? Object.entries(deleted).map(([kind, id]) => `${kind.replaceAll('_', ' ')} ${wordsOf(id)}`)
    : []
  const remaining = Array.isArray(answer.remaining_upstream) ? answer.remaining_upstream.filter(isJson) : []
  const lines = [
    `Deleted ${what.join(', ')}. Token sessions ended: ${sessions}; connections deleted: ${connections}.`,
    ...remaining.map(
      ({ provider, client_id, connections: count }) =>
        `${wordsOf(provider)} still knows ${count} of them, for the client ${wordsOf(client_id)}; they end in its own settings.`,
    ),
  ]
  return { text: lines.join('\n'), json: answer }
}
