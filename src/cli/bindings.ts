import { systemClock } from '../lib/clock.ts'
import { isJson, type Json } from './admin-api.ts'
import type { Answer, Call, Command, Options } from './command.ts'
import { apiOptions } from './command.ts'
import { bodyOf, fileOption, inResource, listOf, segment, spanIn } from './input.ts'
import { member, receiptOf, table, time, wordsOf } from './show.ts'
import { UsageError } from './usage-error.ts'

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
    inResource(call, 'bindings'),
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

export const bindingCommands: readonly Command[] = [
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
        await call.api()('GET', inResource(call, 'bindings')),
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
        await call.api()('DELETE', `${inResource(call, 'bindings')}/${segment(call.argument('BINDING'))}`),
      ),
  },
]
