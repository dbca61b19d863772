import type { Json } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { inResource } from './input.ts'
import { columns, itemsIn, timeOf, wordsOf } from './show.ts'

const applicationOf = (call: Call) => inResource(call, 'application')

const states: Readonly<Record<string, string>> = {
  protection_not_verified: 'Protection not verified',
  needs_review: 'Needs review',
  live: 'Live',
}

/** Anything missing is exit code 1, so that it can be asked for by a timer. */
function statusOf(call: Call, json: Json): Answer {
  const state = wordsOf(json.state)
  const missing = itemsIn(json.missing).map((each) => `  - ${wordsOf(each.message)}`)
  const probes = itemsIn(json.probes).map(({ check, outcome, detail }) => [
    `  ${wordsOf(check)}`,
    wordsOf(outcome),
    detail === undefined ? '' : wordsOf(detail),
  ])
  const isOpen = typeof json.activated_at === 'number'
  const lines = [
    Object.hasOwn(states, state) ? `${states[state]}.` : state,
    ...(missing.length > 0 ? ['Missing:', ...missing] : []),
    ...(probes.length > 0 ? [`Probed at ${timeOf(json.probed_at)}:`, columns(probes)] : []),
    isOpen
      ? `Open to people since ${timeOf(json.activated_at)}, by ${wordsOf(json.activated_by)}.`
      : `Not open to people yet: coatcheck resource activate ${call.argument('ID')}`,
  ]
  return { text: lines.join('\n'), json, exitCode: missing.length > 0 ? 1 : 0 }
}

const act = (action: string) => async (call: Call) =>
  statusOf(call, await call.api()('POST', `${applicationOf(call)}/${action}`))

export const applicationCommands: readonly Command[] = [
  {
    name: 'resource status',
    arguments: ['ID'],
    summary: 'how far an MCP server is from being open to people, and what is missing',
    options: apiOptions,
    examples: ['coatcheck resource status notes'],
    run: async (call) => statusOf(call, await call.api()('GET', applicationOf(call))),
  },
  {
    name: 'resource probe',
    arguments: ['ID'],
    summary: 'try a running MCP server now, whether it refuses what it must',
    options: apiOptions,
    examples: ['coatcheck resource probe notes'],
    run: act('probe'),
  },
  {
    name: 'resource activate',
    arguments: ['ID'],
    summary: 'open its tools to people, once nothing is missing',
    options: apiOptions,
    examples: ['coatcheck resource activate notes'],
    run: act('activate'),
  },
  {
    name: 'resource deactivate',
    arguments: ['ID'],
    summary: 'close its tools to all but its administrators',
    options: apiOptions,
    examples: ['coatcheck resource deactivate notes'],
    run: act('deactivate'),
  },
]
