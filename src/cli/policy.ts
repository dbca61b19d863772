import { systemClock } from '../lib/clock.ts'
import { isJson, type Json } from './admin-api.ts'
import type { Answer, Call, Command, Options } from './command.ts'
import { apiOptions } from './command.ts'
import { bodyOf, fileOption, listOf, segment, spanIn } from './input.ts'
import { member, receiptOf, record, table, time, wordsOf } from './show.ts'
import { UsageError } from './usage-error.ts'

const below = ({ argument }: Call, what: string) => `/resources/${segment(argument('ID'))}/${what}`
const roleOf = (call: Call) => `${below(call, 'roles')}/${segment(call.argument('ROLE'))}`

function numberOf({ text }: Call, option: string): number | undefined {
  const given = text(option)
  if (given !== undefined && !/^\d{1,10}$/.test(given)) throw new UsageError(`--${option} needs a number`)
  return given === undefined ? undefined : Number(given)
}

const roleCommands: readonly Command[] = [
  {
    name: 'role set',
    arguments: ['ID', 'ROLE'],
    summary: 'make a role at an MCP server, or replace what it gives',
    options: {
      scope: { value: 'SCOPE', repeats: true, help: 'of the MCP server; whoever holds the role may have it' },
      description: { value: 'WORDS', help: 'what it is for' },
      administrator: { help: 'may call tools that wait for review, before the MCP server is live' },
      ...apiOptions,
    },
    examples: ['coatcheck role set notes reader --scope notes.read'],
    run: async (call) => {
      const body = {
        scopes: call.list('scope'),
        description: call.text('description'),
        administrator: call.isSet('administrator') || undefined,
      }
      const json = await call.api()('PUT', roleOf(call), body)
      const next = `coatcheck binding create ${call.argument('ID')} ${call.argument('ROLE')} --subject sub_...`
      return { text: `Role ${wordsOf(json.name)} gives ${wordsOf(json.scopes)}.\n${next}`, json }
    },
  },
  {
    name: 'role list',
    arguments: ['ID'],
    summary: 'the roles at an MCP server',
    options: apiOptions,
    examples: ['coatcheck role list notes'],
    run: async (call) =>
      table(
        await call.api()('GET', below(call, 'roles')),
        [
          ['ROLE', member('name')],
          ['SCOPES', member('scopes')],
          ['ADMINISTRATOR', member('administrator')],
          ['DESCRIPTION', member('description')],
        ],
        `No role yet: coatcheck role set ${call.argument('ID')} reader --scope ...`,
      ),
  },
  {
    name: 'role show',
    arguments: ['ID', 'ROLE'],
    summary: 'one role',
    options: apiOptions,
    examples: ['coatcheck role show notes reader'],
    run: async (call) => {
      const json = await call.api()('GET', roleOf(call))
      return { text: record(json), json }
    },
  },
  {
    name: 'role delete',
    arguments: ['ID', 'ROLE'],
    summary: 'delete a role that nobody is bound to',
    options: apiOptions,
    examples: ['coatcheck role delete notes reader'],
    run: async (call) => receiptOf(await call.api()('DELETE', roleOf(call))),
  },
]

/** Whom a binding is for, in the one way that was said; what `--file` says counts where nothing was. */
function holderOf({ text, isSet }: Call): Json | undefined {
  const [subject, group, provider] = [text('subject'), text('group'), text('provider')]
  const said = [subject !== undefined, group !== undefined, isSet('everyone')].filter((each) => each)
  if (said.length > 1) throw new UsageError('--subject, --group and --everyone exclude one another')
  if (isSet('everyone')) return { everyone: true }
  if (subject !== undefined) return { subject }
  if (group !== undefined && provider === undefined) throw new UsageError('--group needs --provider')
  return group === undefined ? undefined : { group, provider }
}

function conditionsOf(call: Call): Json | undefined {
  const age = call.text('max-authentication-age')
  const said = {
    cidrs: listOf(call, 'cidr'),
    time_utc: listOf(call, 'time-utc'),
    allowed_tools: listOf(call, 'allow-tool'),
    denied_tools: listOf(call, 'deny-tool'),
    acr_values: listOf(call, 'acr'),
    max_authentication_age: age === undefined ? undefined : spanIn('max-authentication-age', age),
  }
  return Object.values(said).some((value) => value !== undefined) ? said : undefined
}

const conditionOptions: Options = {
  cidr: { value: 'CIDR', repeats: true, help: 'only from there' },
  'time-utc': { value: 'HH:MM-HH:MM', repeats: true, help: 'only then, in UTC' },
  'allow-tool': { value: 'TOOL', repeats: true, help: 'only for this tool' },
  'deny-tool': { value: 'TOOL', repeats: true, help: 'never this tool, whatever another binding says' },
  'max-authentication-age': { value: 'SPAN', help: 'only with a sign-in no older, such as 12h' },
  acr: { value: 'VALUE', repeats: true, help: 'only with a sign-in of this strength' },
}

async function bind(call: Call): Promise<Answer> {
  const ends = call.text('expires-in')
  const json = await call.api()(
    'POST',
    below(call, 'bindings'),
    bodyOf(call, {
      role: call.argument('ROLE'),
      holder: holderOf(call),
      conditions: conditionsOf(call),
      expires_at: ends === undefined ? undefined : systemClock() + spanIn('expires-in', ends),
    }),
  )
  return { text: `${holderWords(json)} has the role ${wordsOf(json.role)}: ${wordsOf(json.id)}.`, json }
}

function holderWords({ holder }: Json): string {
  if (!isJson(holder)) return '-'
  if (holder.everyone === true) return 'everyone'
  return holder.subject === undefined
    ? `group ${wordsOf(holder.group)} of ${wordsOf(holder.provider)}`
    : wordsOf(holder.subject)
}

const bindingCommands: readonly Command[] = [
  {
    name: 'binding create',
    arguments: ['ID', 'ROLE'],
    summary: 'give somebody a role at an MCP server',
    options: {
      subject: { value: 'ID', help: 'this person' },
      group: { value: 'NAME', help: 'whoever is in this group, by the word of --provider' },
      provider: { value: 'ID', help: 'whose word counts for the group' },
      everyone: { help: 'whoever signs in' },
      ...conditionOptions,
      'expires-in': { value: 'SPAN', help: 'until then, such as 12h, 7d or 4w; for good unless said' },
      ...fileOption,
      ...apiOptions,
    },
    examples: [
      'coatcheck binding create notes reader --subject sub_0123 --cidr 10.0.0.0/8 --expires-in 4w',
      'coatcheck binding create notes reader --group staff --provider corp --deny-tool export',
    ],
    run: bind,
  },
  {
    name: 'binding list',
    arguments: ['ID'],
    summary: 'who has which role at an MCP server, and under what conditions',
    options: apiOptions,
    examples: ['coatcheck binding list notes'],
    run: async (call) =>
      table(
        await call.api()('GET', below(call, 'bindings')),
        [
          ['BINDING', member('id')],
          ['ROLE', member('role')],
          ['WHO', holderWords],
          ['CONDITIONS', member('conditions')],
          ['ENDS', time('expires_at')],
        ],
        'Nobody is bound.',
      ),
  },
  {
    name: 'binding delete',
    arguments: ['ID', 'BINDING'],
    summary: 'take a role from whom a binding gave it',
    options: apiOptions,
    examples: ['coatcheck binding delete notes bind_0123'],
    run: async (call) =>
      receiptOf(
        await call.api()('DELETE', `${below(call, 'bindings')}/${segment(call.argument('BINDING'))}`),
      ),
  },
]

async function limit(call: Call): Promise<Answer> {
  const { text } = call
  const json = await call.api()('POST', below(call, 'quotas'), {
    limit: numberOf(call, 'limit'),
    window: text('window'),
    per: text('per') ?? 'subject',
    role: text('role'),
    tools: listOf(call, 'tool'),
  })
  return { text: `${quotaWords(json)}: ${wordsOf(json.id)}.`, json }
}

const quotaWords = ({ limit: calls, window, per }: Json) =>
  `${wordsOf(calls)} calls a ${wordsOf(window)} for each ${wordsOf(per)}`

function useWords({ use, limit: calls }: Json): string {
  if (!isJson(use)) return '-'
  return `${wordsOf(use.most)} of ${wordsOf(calls)}, ${wordsOf(use.calls)} in all`
}

const quotaCommands: readonly Command[] = [
  {
    name: 'quota create',
    arguments: ['ID'],
    summary: 'limit how often the tools of an MCP server may be called',
    options: {
      limit: { value: 'N', help: 'calls in each window' },
      window: { value: 'minute|hour|day|month', help: 'of the calendar, in UTC' },
      per: { value: 'subject|client|role|resource', help: 'what each count is of; subject unless said' },
      role: { value: 'ROLE', help: 'only for who holds it' },
      tool: { value: 'TOOL', repeats: true, help: 'only these, counted together; all unless said' },
      ...apiOptions,
    },
    examples: ['coatcheck quota create notes --limit 100 --window hour --tool search'],
    run: limit,
  },
  {
    name: 'quota list',
    arguments: ['ID'],
    summary: 'how often the tools of an MCP server may be called, and how often they were',
    options: apiOptions,
    examples: ['coatcheck quota list notes'],
    run: async (call) =>
      table(
        await call.api()('GET', below(call, 'quotas')),
        [
          ['QUOTA', member('id')],
          ['LIMIT', quotaWords],
          ['ROLE', member('role')],
          ['TOOLS', member('tools')],
          ['FULLEST NOW', useWords],
        ],
        'No quota.',
      ),
  },
  {
    name: 'quota delete',
    arguments: ['ID', 'QUOTA'],
    summary: 'take a limit away',
    options: apiOptions,
    examples: ['coatcheck quota delete notes quota_0123'],
    run: async (call) =>
      receiptOf(await call.api()('DELETE', `${below(call, 'quotas')}/${segment(call.argument('QUOTA'))}`)),
  },
]

export const policyCommands: readonly Command[] = [...roleCommands, ...bindingCommands, ...quotaCommands]
