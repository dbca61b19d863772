import type { Json } from './admin-api.ts'
import type { Call, Options } from './command.ts'
import { readBody } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/** `left=right`, split where the first sign stands. */
export function pairOf(option: string, text: string): readonly [string, string] {
  const sign = text.indexOf('=')
  if (sign < 1) throw new UsageError(`--${option} needs the form name=value`)
  return [text.slice(0, sign), text.slice(sign + 1)]
}

/** Every `name=value` of a repeated option as one object; undefined where it was not given. */
export function pairsOf({ list }: Pick<Call, 'list'>, option: string): Json | undefined {
  const given = list(option)
  return given.length === 0 ? undefined : Object.fromEntries(given.map((text) => pairOf(option, text)))
}

export function listOf({ list }: Pick<Call, 'list'>, option: string): string[] | undefined {
  const given = list(option)
  return given.length === 0 ? undefined : given
}

/** Seconds; the API says which are allowed. */
export function secondsOf({ text }: Pick<Call, 'text'>, option: string): number | undefined {
  const given = text(option)
  if (given !== undefined && !/^\d{1,9}$/.test(given)) throw new UsageError(`--${option} needs seconds`)
  return given === undefined ? undefined : Number(given)
}

/** The same, each value as JSON where it is JSON, else as the text it is. */
export function jsonPairsOf(call: Pick<Call, 'list'>, option: string): Json | undefined {
  const pairs = pairsOf(call, option)
  return (
    pairs && Object.fromEntries(Object.entries(pairs).map(([name, text]) => [name, jsonOr(String(text))]))
  )
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** What `--file` holds, and over it what the options say. */
export function bodyOf(call: Call, said: Record<string, unknown>): Json {
  const file = call.text('file')
  const base = file === undefined ? {} : readBody(call.terminal, file)
  return { ...base, ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) }
}

/** One segment of a path of the admin API. An id may be a URL. */
export const segment = (id: string) => encodeURIComponent(id)

/** What belongs to the MCP server that the call names. */
export const inResource = ({ argument }: Pick<Call, 'argument'>, what: string) =>
  `/resources/${segment(argument('ID'))}/${what}`

export const fileOption: Options = {
  file: { value: 'FILE', help: 'the body as JSON (- is standard input); other options go over it' },
}

export const pageOptions: Options = {
  limit: { value: 'N', help: 'how many, 1 to 200; 50 unless said' },
  cursor: { value: 'CURSOR', help: 'the page after the one that named it' },
}

export const disconnectOption: Options = {
  disconnect: { help: 'delete connections no other live session draws on, here and at their providers' },
}

export const disconnectQuery = ({ isSet }: Pick<Call, 'isSet'>) =>
  isSet('disconnect') ? '?disconnect=true' : ''

const spans: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 7 * 86_400 }

/** `7d` in seconds. */
export function spanIn(option: string, given: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(given) ?? []
  const seconds = Number(count) * (spans[unit] ?? Number.NaN)
  if (Number.isNaN(seconds)) throw new UsageError(`--${option} needs a span such as 12h, 7d or 4w`)
  return seconds
}

/** The query that these options, by their names on the wire, come to; `more` is by its names there already. */
export function queryOf(
  { text }: Pick<Call, 'text'>,
  names: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>> = {},
): string {
  const query = new URLSearchParams(more)
  for (const [option, name] of Object.entries({ ...names, limit: 'limit', cursor: 'cursor' })) {
    const value = text(option)
    if (value !== undefined) query.set(name, value)
  }
  return query.size === 0 ? '' : `?${query}`
}
