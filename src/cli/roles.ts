import type { Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { inResource, segment } from './input.ts'
import { member, receiptOf, record, table, wordsOf } from './show.ts'

const roleOf = (call: Call) => `${inResource(call, 'roles')}/${segment(call.argument('ROLE'))}`

export const roleCommands: readonly Command[] = [
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
        await call.api()('GET', inResource(call, 'roles')),
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
