import { isJson, type Json } from './admin-api.ts'
import type { Answer, Call, Command, Options } from './command.ts'
import { apiOptions } from './command.ts'
import { inResource, listOf, secondsOf, segment } from './input.ts'
import { member, receiptOf, record, table, wordsOf } from './show.ts'
import { UsageError } from './usage-error.ts'

const toolsOf = (call: Call) => inResource(call, 'tools')
const toolOf = (call: Call) => `${toolsOf(call)}/${segment(call.argument('TOOL'))}`

const reviewOptions: Options = {
  hash: { value: 'HASH', help: 'what was looked at, as list and show tell it; 8 characters will do' },
  'step-up-max-age': { value: 'SECONDS', help: 'each call needs a sign-in made for it, no older' },
  'step-up-acr': { value: 'VALUE', repeats: true, help: 'or of this strength' },
}

/** The whole of what was looked at: a tool may have changed since, and then nobody has seen what it is now. */
async function lookedAt(call: Call): Promise<string> {
  const look = `coatcheck tool show ${call.argument('ID')} ${call.argument('TOOL')}`
  const given = call.text('hash') ?? ''
  if (given.length < 8) throw new UsageError(`--hash must say what was looked at: ${look}`)
  const published = wordsOf((await call.api()('GET', toolOf(call))).published_hash)
  if (!published.startsWith(given)) throw new UsageError(`the tool is not what was looked at; see ${look}`)
  return published
}

async function review(call: Call, rule: Json): Promise<Answer> {
  const published = await lookedAt(call)
  const stepUp = {
    max_age: secondsOf(call, 'step-up-max-age'),
    acr_values: listOf(call, 'step-up-acr'),
  }
  const hasStepUp = Object.values(stepUp).some((value) => value !== undefined)
  const json = await call.api()('PUT', toolOf(call), {
    ...rule,
    published_hash: published,
    ...(hasStepUp && { step_up: stepUp }),
  })
  const weakened = json.protection_weakened === true ? ' Somebody may call it now who could not before.' : ''
  return { text: `${wordsOf(json.name)} is approved: ${ruleOf(json)}.${weakened}`, json }
}

function ruleOf({ rule }: Json): string {
  if (!isJson(rule)) return '-'
  const { access, scopes, match, step_up: stepUp } = rule
  const names = Array.isArray(scopes) ? scopes.map((name) => wordsOf(name)) : []
  const opens = access === 'public' ? 'public' : names.join(match === 'all' ? ' and ' : ' or ')
  return isJson(stepUp) ? `${opens}, with a new sign-in` : opens
}

export const toolCommands: readonly Command[] = [
  {
    name: 'tool list',
    arguments: ['ID'],
    summary: 'the tools an MCP server published, and how each opens',
    options: apiOptions,
    examples: ['coatcheck tool list notes'],
    run: async (call) =>
      table(
        await call.api()('GET', toolsOf(call)),
        [
          ['TOOL', member('name')],
          ['STATE', member('state')],
          ['OPENS WITH', ruleOf],
          ['SUGGESTED', member('suggested_scopes')],
          ['CHANGED', member('changed_members')],
          ['HASH', ({ published_hash: hash }) => wordsOf(hash).slice(0, 8)],
        ],
        'No tool yet: the MCP server publishes them with its credential.',
      ),
  },
  {
    name: 'tool show',
    arguments: ['ID', 'TOOL'],
    summary: 'one tool, as it is published',
    options: apiOptions,
    examples: ['coatcheck tool show notes read_note'],
    run: async (call) => {
      const json = await call.api()('GET', toolOf(call))
      return { text: record(json), json }
    },
  },
  {
    name: 'tool open',
    arguments: ['ID', 'TOOL'],
    summary: 'review a tool, and say which scopes open it',
    options: {
      scope: { value: 'SCOPE', repeats: true, help: 'opens it; of several any does' },
      all: { help: 'all of the scopes together, and not any of them' },
      ...reviewOptions,
      ...apiOptions,
    },
    examples: [
      'coatcheck tool open notes read_note --scope notes.read --hash 3f9aQx2b',
      'coatcheck tool open notes wipe --scope notes.read --scope notes.write --all --step-up-max-age 60 --hash 3f9aQx2b',
    ],
    run: async (call) =>
      await review(call, { scopes: call.list('scope'), match: call.isSet('all') ? 'all' : 'any' }),
  },
  {
    name: 'tool public',
    arguments: ['ID', 'TOOL'],
    summary: 'review a tool, and open it to whoever has any token for its MCP server',
    options: {
      confirm: { value: 'TOOL', help: 'its name once more, typed' },
      ...reviewOptions,
      ...apiOptions,
    },
    examples: ['coatcheck tool public notes whoami --confirm whoami --hash 3f9aQx2b'],
    run: async (call) => await review(call, { access: 'public', confirm: call.text('confirm') }),
  },
  {
    name: 'tool forget',
    arguments: ['ID', 'TOOL'],
    summary: 'forget a tool that its MCP server publishes no more',
    options: apiOptions,
    examples: ['coatcheck tool forget notes old_tool'],
    run: async (call) => receiptOf(await call.api()('DELETE', toolOf(call))),
  },
]
