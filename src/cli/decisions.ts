import { isJson } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { inResource, jsonPairsOf, listOf, pageOptions, queryOf, secondsOf, segment } from './input.ts'
import { columns, itemsIn, member, record, table, time, wordsOf } from './show.ts'

async function simulate(call: Call): Promise<Answer> {
  const { text } = call
  const json = await call.api()('POST', inResource(call, 'simulations'), {
    subject: call.argument('SUBJECT'),
    tool: call.argument('TOOL'),
    client_id: text('client'),
    scopes: listOf(call, 'scope'),
    arguments: jsonPairsOf(call, 'argument'),
    address: text('address'),
    auth_age: secondsOf(call, 'auth-age'),
    acr: text('acr'),
  })
  const { allowed, ...rest } = json
  const verdict = allowed === true ? 'Allowed.' : `Refused. ${wordsOf(json.message)}`
  return { text: `${verdict}\n${record(rest)}`, json }
}

async function access(call: Call): Promise<Answer> {
  const path = inResource(call, `access/${segment(call.argument('SUBJECT'))}`)
  const json = await call.api()('GET', path)
  const { tools: _, roles, ...rest } = json
  const names = Array.isArray(roles) ? roles.filter(isJson).map(({ role }) => role) : []
  const rows = itemsIn(json.tools).map((tool) => [
    wordsOf(tool.name),
    tool.allowed === true ? 'may be called' : wordsOf(tool.reason),
    wordsOf(tool.failed_conditions),
  ])
  return { text: `${record({ ...rest, roles: names })}\n\n${columns(rows)}`, json }
}

export const decisionCommands: readonly Command[] = [
  {
    name: 'simulate',
    arguments: ['ID', 'SUBJECT', 'TOOL'],
    summary: 'what would be decided about a call of a tool; nothing is counted',
    options: {
      client: { value: 'CLIENT_ID', help: 'by this client' },
      scope: { value: 'SCOPE', repeats: true, help: 'with a token of these; all they may have unless said' },
      argument: { value: 'NAME=VALUE', repeats: true, help: 'of the call; JSON where the value is JSON' },
      address: { value: 'ADDRESS', help: 'from there' },
      'auth-age': { value: 'SECONDS', help: 'since the sign-in; 0 unless said' },
      acr: { value: 'VALUE', help: 'how strong the sign-in was' },
      ...apiOptions,
    },
    examples: ['coatcheck simulate notes sub_0123 read_note --argument folder=public --address 10.0.0.7'],
    run: simulate,
  },
  {
    name: 'access show',
    arguments: ['ID', 'SUBJECT'],
    summary: 'what somebody may do at an MCP server, and why not the rest',
    options: apiOptions,
    examples: ['coatcheck access show notes sub_0123'],
    run: access,
  },
  {
    name: 'decision list',
    arguments: [],
    summary: 'what was decided about calls of tools, the youngest first',
    options: {
      resource: { value: 'ID', help: 'of this MCP server' },
      subject: { value: 'ID', help: 'about this person' },
      client: { value: 'CLIENT_ID', help: 'about this client' },
      tool: { value: 'TOOL', help: 'about this tool' },
      allowed: { value: 'true|false', help: 'only what was allowed, or refused' },
      ...pageOptions,
      ...apiOptions,
    },
    examples: ['coatcheck decision list --resource notes --allowed false'],
    run: async (call) => {
      const names = {
        resource: 'resource_id',
        subject: 'subject_id',
        client: 'client_id',
        tool: 'tool',
        allowed: 'allowed',
      }
      return table(
        await call.api()('GET', `/decisions${queryOf(call, names)}`),
        [
          ['DECISION', member('id')],
          ['AT', time('at')],
          ['RESOURCE', member('resource_id')],
          ['SUBJECT', member('subject_id')],
          ['TOOL', member('tool')],
          ['ALLOWED', member('allowed')],
          ['CODE', member('code')],
        ],
        'No decision.',
      )
    },
  },
  {
    name: 'decision show',
    arguments: ['DECISION'],
    summary: 'why one decision is what it is',
    options: apiOptions,
    examples: ['coatcheck decision show 0123'],
    run: async (call) => {
      const json = await call.api()('GET', `/decisions/${segment(call.argument('DECISION'))}`)
      const { detail, ...rest } = json
      return { text: record({ ...rest, ...(isJson(detail) ? detail : {}) }), json }
    },
  },
]
