import { AdminApiError, isJson, type Json } from './admin-api.ts'
import { exportDatabase } from './audit-record.ts'
import type { Answer, Call, Command, Options } from './command.ts'
import { apiOptions } from './command.ts'
import { pageOptions, queryOf } from './input.ts'
import { jsonText, member, table, time } from './show.ts'
import { UsageError } from './usage-error.ts'

/** By their names on the wire. */
const filters = {
  event: 'event',
  actor: 'actor',
  outcome: 'outcome',
  subject: 'subject_id',
  client: 'client_id',
  resource: 'resource_id',
  provider: 'provider',
  session: 'token_session_id',
  since: 'since',
  until: 'until',
}

/** Seconds since 1970 as they are; a time as people write it, in seconds. */
export function secondsOf(option: string, given: string): string {
  if (/^\d+$/.test(given)) return given
  // What RFC 3339 allows, and its date alone; more than that every engine reads as it likes.
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(given)
  const milliseconds = isTime ? Date.parse(given) : Number.NaN
  if (Number.isNaN(milliseconds))
    throw new UsageError(`--${option} needs a time: 2030-01-31T12:00Z, or seconds since 1970`)
  return String(Math.floor(milliseconds / 1000))
}

function inSeconds({ text }: Call): Pick<Call, 'text'> {
  return {
    text: (option) => {
      const given = text(option)
      const isTime = given !== undefined && (option === 'since' || option === 'until')
      return isTime ? secondsOf(option, given) : given
    },
  }
}

const filterOptions: Options = {
  event: { value: 'EVENT', help: 'such as provider.saved' },
  actor: { value: 'ACTOR', help: 'such as admin:token' },
  outcome: { value: 'OUTCOME', help: 'such as ok' },
  subject: { value: 'ID', help: 'about this person' },
  client: { value: 'CLIENT_ID', help: 'about this client' },
  resource: { value: 'ID', help: 'about this MCP server' },
  provider: { value: 'ID', help: 'about this provider' },
  session: { value: 'ID', help: 'about this token session' },
  since: { value: 'TIME', help: 'from then on' },
  until: { value: 'TIME', help: 'before then' },
}

/** Everything that is asked for, however many answers it takes. */
async function exportRecord(call: Call): Promise<Answer> {
  if (call.isSet('offline')) {
    const other = Object.keys({ ...filterOptions, cursor: 1 }).find((option) => call.isSet(option))
    if (other !== undefined)
      throw new UsageError(`--offline exports all there is, so --${other} has no meaning`)
    return await exportDatabase(call)
  }
  const lines = call.lines()
  const { text } = inSeconds(call)
  let cursor = call.text('cursor')
  for (;;) {
    const asked = { text: (option: string) => (option === 'cursor' ? cursor : text(option)) }
    const next = await writeLines(call, lines(`/audit-events/export${queryOf(asked, filters)}`), cursor)
    if (next === undefined) return { text: '' }
    cursor = next
  }
}

/** Answers where to go on, if there is more; what was written before it broke off is told, so that one can. */
async function writeLines(
  { terminal }: Call,
  lines: AsyncGenerator<Json>,
  before: string | undefined,
): Promise<string | undefined> {
  let last = before
  const advice = () => (last === undefined ? undefined : `To go on after the last row: --cursor ${last}`)
  try {
    for await (const line of lines) {
      if (isJson(line.end)) return typeof line.end.next_cursor === 'string' ? line.end.next_cursor : undefined
      await terminal.write(`${jsonText(line)}\n`)
      if (typeof line.id === 'string') last = line.id
    }
  } catch (error) {
    if (!(error instanceof AdminApiError) || error.problem) throw error
    throw new AdminApiError(error.message, undefined, advice())
  }
  throw new AdminApiError('the export ended too soon', undefined, advice())
}

export const auditCommands: readonly Command[] = [
  {
    name: 'audit list',
    arguments: [],
    summary: 'what happened, the youngest first',
    options: {
      ...filterOptions,
      ...pageOptions,
      ...apiOptions,
    },
    examples: ['coatcheck audit list --event provider.saved --since 2030-01-31'],
    run: async (call) =>
      table(
        await call.api()('GET', `/audit-events${queryOf(inSeconds(call), filters)}`),
        [
          ['AT', time('at')],
          ['EVENT', member('event')],
          ['OUTCOME', member('outcome')],
          ['ACTOR', member('actor')],
          ['SUBJECT', member('subject_id')],
          ['RESOURCE', member('resource_id')],
          ['PROVIDER', member('provider')],
        ],
        'Nothing of the kind is recorded.',
      ),
  },
  {
    name: 'audit export',
    arguments: [],
    summary: 'the audit record as JSON Lines, the oldest first',
    options: {
      ...filterOptions,
      cursor: { value: 'ID', help: 'only what follows this row' },
      offline: { help: 'all of it, chain by chain, out of the database itself' },
      ...apiOptions,
    },
    examples: ['coatcheck audit export --since 2030-01-31', 'coatcheck audit export --offline'],
    run: exportRecord,
  },
  {
    name: 'audit heads',
    arguments: [],
    summary: 'where the audit record stands, signed: keep it elsewhere, for audit verify --heads',
    options: apiOptions,
    examples: ['coatcheck audit heads'],
    run: async (call) => {
      const heads = await call.api()('GET', '/audit-heads')
      return { text: JSON.stringify(heads, null, 2), json: heads }
    },
  },
]
