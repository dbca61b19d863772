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

export const itemsOf = ({ items }: Json): Json[] => itemsIn(items)

export const itemsIn = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isJson) : [])

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

/** JSON that a terminal obeys no part of; it says the same. `JSON.stringify` escapes only what is below a space. */
export function jsonText(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, null, indent) ?? ''
  return text.replace(/[\x7F-\x9F\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** What a deletion ended (docs/admin-api.md, receipts). */
export function receiptOf(answer: Json): Answer {
  const { deleted, token_sessions_ended: sessions, connections_deleted: connections } = answer
  const what = isJson(deleted)
    ? Object.entries(deleted).map(([kind, id]) => `${kind.replaceAll('_', ' ')} ${wordsOf(id)}`)
    : []
  const lines = [
    `Deleted ${what.join(', ')}. Token sessions ended: ${sessions}; connections deleted: ${connections}.`,
    ...groupsOf(answer, 'revoked_upstream').map((group) =>
      group.outcome === 'already_gone'
        ? `${placeOf(group)} no longer knew ${wordsOf(group.connections)} of them.`
        : `${placeOf(group)} revoked ${wordsOf(group.connections)} of them.`,
    ),
    ...groupsOf(answer, 'queued_upstream').map(
      (group) =>
        `${placeOf(group)} has yet to be told of ${wordsOf(group.connections)}; it is tried for three days: coatcheck audit list --event upstream_grant.revoked`,
    ),
    ...groupsOf(answer, 'remaining_upstream').map(
      (group) => `${placeOf(group)} keeps ${wordsOf(group.connections)}: ${reasonOf(group)}.`,
    ),
  ]
  return { text: lines.join('\n'), json: answer }
}

const groupsOf = (answer: Json, name: string): Json[] => itemsIn(answer[name])

const placeOf = ({ provider, client_id: client }: Json) => `${wordsOf(provider)} (client ${wordsOf(client)})`

const reasons: Readonly<Record<string, string>> = {
  needed_by_another_connection: 'ending it there would end another connection of the same account too',
  unsupported: 'it offers no way to revoke; the person ends it in their settings there',
  provider_changed: 'it came from another address or client; the person ends it in their settings there',
  given_up: 'it never answered; the person ends it in their settings there',
  in_use: 'another live session draws on it',
  kept_for_the_next_session: 'the person’s next session needs no trip there; --disconnect takes it too',
}

function reasonOf({ reason }: Json): string {
  const word = wordsOf(reason)
  return (Object.hasOwn(reasons, word) ? reasons[word] : undefined) ?? word
}
