import type { Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { pageOptions, queryOf } from './input.ts'
import { member, table, time } from './show.ts'
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

export const auditCommands: readonly Command[] = [
  {
    name: 'audit list',
    arguments: [],
    summary: 'what happened, the youngest first',
    options: {
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
